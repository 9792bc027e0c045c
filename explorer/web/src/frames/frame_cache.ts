/** Frames that are at hand: whole row groups of one or two episodes, the least used of which go first. */

import { frameOf, type Frames, type Picture, type RowGroup, type TableFile } from "./protocol";
import type { Shards } from "./shards";

/** Row groups that are kept, up to 16 MB each. */
const KEPT = 6;

export class FrameCache {
  private readonly kept = new Map<string, Frames>();
  private readonly coming = new Map<string, Promise<Frames>>();

  constructor(private readonly shards: Shards) {}

  /** The frame of a row, if it is at hand. */
  peek(file: TableFile, group: RowGroup, row: number): Picture | undefined {
    const key = keyOf(file, group);
    const frames = this.kept.get(key);
    if (!frames) return undefined;
    this.kept.delete(key);
    this.kept.set(key, frames);
    return frameOf(frames, row);
  }

  has(file: TableFile, group: RowGroup): boolean {
    return this.kept.has(keyOf(file, group));
  }

  /** Read a row group, unless it is at hand or on its way. */
  fetch(file: TableFile, group: RowGroup): Promise<Frames> {
    const key = keyOf(file, group);
    const known = this.kept.get(key);
    if (known) return Promise.resolve(known);
    const coming = this.coming.get(key) ?? this.read(key, file, group);
    this.coming.set(key, coming);
    return coming;
  }

  private async read(key: string, file: TableFile, group: RowGroup): Promise<Frames> {
    try {
      const frames = await this.shards.frames(file, group);
      this.kept.set(key, frames);
      for (const oldest of [...this.kept.keys()].slice(0, -KEPT)) this.kept.delete(oldest);
      return frames;
    } finally {
      this.coming.delete(key);
    }
  }
}

function keyOf(file: TableFile, group: RowGroup): string {
  return `${file.url} ${group.first}`;
}
