/** An episode being played: which step is shown, and that its frames are there in time. */

import type { Picture } from "../frames/protocol";
import type { Episode } from "../data/episodes";
import { messageOf } from "../data/errors";
import type { Place } from "../data/layout";
import type { FrameCache } from "../frames/frame_cache";
import type { RowGroup, Steps, TableFile } from "../frames/protocol";
import { Clock } from "./clock";

/** All of an episode but its frames. */
export interface LoadedEpisode {
  place: Place;
  episode: Episode;
  file: TableFile;
  steps: Steps;
  /** The picture of its world, where the dataset has a world's state. */
  map?: Promise<Uint8Array | undefined>;
}

/** The number of frames that an agent sees at once. */
export const STACK = 4;
/** The next row group is read when so many steps are left in this one; while playing, at once. */
const NEAR_END = 256;

export class Playback {
  step: number;
  isPlaying = false;
  /** How often play had to wait for frames that were not yet read, since it began. */
  waits = 0;
  /** Frames that were left out because the browser drew too seldom, since play began. */
  skipped = 0;
  /** Frames that were shown since play began. */
  shown = 0;
  /** The step whose frame is on the canvas; -1 before the first. */
  shownStep = -1;
  problem = "";
  private clock = new Clock(0, 0, 1);
  private request = 0;
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly loaded: LoadedEpisode,
    private readonly cache: FrameCache,
    step: number,
    private framesPerSecond: number,
  ) {
    this.step = Math.min(Math.max(step, 0), this.length - 1);
    this.prefetch();
  }

  get length(): number {
    return this.loaded.episode.length;
  }

  get speed(): number {
    return this.framesPerSecond;
  }

  set speed(framesPerSecond: number) {
    this.framesPerSecond = framesPerSecond;
    this.restartClock();
    this.tell();
  }

  /** Call `listener` whenever something changes; returns how to stop that. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Show a step; one outside of the episode is the nearest in it. */
  seek(step: number): void {
    this.step = Math.min(Math.max(Math.round(step), 0), this.length - 1);
    this.restartClock();
    this.prefetch();
    this.tell();
  }

  /** Play, from the start if the end is shown. */
  play(): void {
    if (this.step === this.length - 1) this.step = 0;
    this.isPlaying = true;
    this.waits = this.skipped = this.shown = 0;
    this.restartClock();
    this.prefetch();
    this.request = requestAnimationFrame((now) => this.tick(now));
    this.tell();
  }

  pause(): void {
    this.isPlaying = false;
    cancelAnimationFrame(this.request);
    this.tell();
  }

  toggle(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Stop for good. */
  close(): void {
    this.pause();
    this.listeners.clear();
  }

  /** The frame of a step if it is at hand; undefined before the episode too. */
  frame(step: number): Picture | undefined {
    if (step < 0) return undefined;
    const group = this.groupOf(step);
    return group && this.cache.peek(this.loaded.file, group, this.loaded.episode.firstRow + step);
  }

  /** The stretches of steps whose frames are at hand, as shares of the episode. */
  ready(): { start: number; end: number }[] {
    const { file, episode, steps } = this.loaded;
    return steps.groups
      .filter((group) => this.cache.has(file, group))
      .map((group) => ({
        start: Math.max(0, group.first - episode.firstRow) / this.length,
        end: Math.min(this.length, group.first + group.rows - episode.firstRow) / this.length,
      }));
  }

  private tick(now: number): void {
    if (!this.isPlaying) return;
    const due = Math.min(this.clock.due(now), this.length - 1);
    if (due > this.step) this.advance(due, now);
    if (this.step === this.length - 1) this.pause();
    else this.request = requestAnimationFrame((next) => this.tick(next));
  }

  private advance(due: number, now: number): void {
    if (this.frame(due) === undefined) {
      // What is not there cannot be shown: wait for it rather than skip it.
      this.waits += 1;
      this.clock = new Clock(now, this.step, this.framesPerSecond);
      this.prefetch();
      return;
    }
    const expected = Math.max(1, Math.ceil(this.framesPerSecond / 60));
    this.skipped += Math.max(0, due - this.step - expected);
    this.shown += due - this.step;
    this.step = due;
    this.prefetch();
    this.tell();
  }

  private restartClock(): void {
    this.clock = new Clock(performance.now(), this.step, this.framesPerSecond);
  }

  private prefetch(): void {
    const groups = this.loaded.steps.groups;
    const group = this.groupOf(this.step);
    if (!group) return;
    this.fetch(group);
    const next = groups[groups.indexOf(group) + 1];
    const left = group.first + group.rows - this.loaded.episode.firstRow - this.step;
    if (next && (this.isPlaying || left < NEAR_END)) this.fetch(next);
    const before = groups[groups.indexOf(group) - 1];
    if (before && this.loaded.episode.firstRow + this.step - group.first < STACK - 1) this.fetch(before);
  }

  private fetch(group: RowGroup): void {
    if (this.cache.has(this.loaded.file, group)) return;
    this.cache.fetch(this.loaded.file, group).then(
      () => {
        this.problem = "";
        this.tell();
      },
      (error: unknown) => {
        this.problem = messageOf(error);
        this.pause();
      },
    );
  }

  private groupOf(step: number): RowGroup | undefined {
    const row = this.loaded.episode.firstRow + step;
    return this.loaded.steps.groups.find((group) => group.first <= row && row < group.first + group.rows);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
