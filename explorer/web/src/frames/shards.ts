/** What the page knows of the worker: questions about Parquet files, answered in their own time. */

import { ExplorerError } from "../data/errors";
import type { Answers, Question, RowGroup, TableFile } from "./protocol";

type Waiting = { resolve: (answer: never) => void; reject: (error: Error) => void };

export class Shards {
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;

  constructor(private readonly worker: Worker) {
    worker.addEventListener("message", ({ data }: MessageEvent<{ id: number; answer: never; error?: string }>) => {
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error === undefined) waiting?.resolve(data.answer);
      else waiting?.reject(new ExplorerError(data.error));
    });
    worker.addEventListener("error", (event) => {
      for (const each of this.waiting.values()) each.reject(new ExplorerError(`The worker failed: ${event.message}`));
      this.waiting.clear();
    });
  }

  /** The rows of an episodes table. */
  episodes(file: TableFile): Promise<Answers["episodes"]> {
    return this.ask({ kind: "episodes", file });
  }

  /** Consecutive steps but for their frames. */
  steps(file: TableFile, first: number, count: number): Promise<Answers["steps"]> {
    return this.ask({ kind: "steps", file, first, count });
  }

  /** The frames of a row group. */
  frames(file: TableFile, group: RowGroup): Promise<Answers["frames"]> {
    return this.ask({ kind: "frames", file, first: group.first, count: group.rows });
  }

  /** How often each action occurs in a file. */
  actions(file: TableFile): Promise<Answers["actions"]> {
    return this.ask({ kind: "actions", file });
  }

  /** Where the player is in consecutive steps. */
  trail(file: TableFile, first: number, count: number): Promise<Answers["trail"]> {
    return this.ask({ kind: "trail", file, first, count });
  }

  /** The picture of an episode's world, given the episode's row of the episodes table. */
  map(file: TableFile, row: number): Promise<Answers["map"]> {
    return this.ask({ kind: "map", file, row });
  }

  private ask<Kind extends Question["kind"]>(question: Question & { kind: Kind }): Promise<Answers[Kind]> {
    return new Promise((resolve, reject) => {
      this.last += 1;
      this.waiting.set(this.last, { resolve, reject });
      this.worker.postMessage({ id: this.last, question });
    });
  }
}

/** Start the worker. */
export function startShards(): Shards {
  return new Shards(new Worker(new URL("worker.js", document.baseURI), { type: "module" }));
}
