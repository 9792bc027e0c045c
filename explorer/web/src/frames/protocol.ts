/** What the page and its worker say to each other. */

import type { Episode } from "../data/episodes";
import type { RemoteFile } from "../data/http";

/** A Parquet file of known size. */
export interface TableFile extends RemoteFile {
  path: string;
  /** Bytes. */
  size: number;
  rows: number;
}

/** Consecutive rows that are stored, and so read, together. */
export interface RowGroup {
  first: number;
  rows: number;
}

/** An episode's steps but for their frames. */
export interface Steps {
  /** Numbers in the game's minimal action set. */
  action: Uint8Array;
  reward: Float32Array;
  /** Where the dataset has it. */
  unclippedReward?: Float32Array;
  returnToGo: Float32Array;
  terminated: Uint8Array;
  truncated: Uint8Array;
  /** A world's state before each step, by the names of its columns; empty for games of Atari. */
  state: Record<string, Int32Array>;
  /** The names of the actions, as the shard itself records them. */
  actionNames: string[];
  /** The shard's row groups that hold these steps. */
  groups: RowGroup[];
}

/** The column and the row of the map that a player is on, step by step. */
export interface Trail {
  x: Int32Array;
  y: Int32Array;
}

/** The size of frames, in pixels, and their colour: grey has one channel, RGB three. */
export interface Shape {
  width: number;
  height: number;
  channels: 1 | 3;
}

/** One frame, row by row; the channels of a pixel lie together. */
export interface Picture extends Shape {
  pixels: Uint8Array;
}

/** Frames of consecutive rows, one after another. */
export interface Frames extends RowGroup, Picture {}

/** The frame of a row, which is among these. */
export function frameOf(frames: Frames, row: number): Picture {
  const { width, height, channels, pixels } = frames;
  const size = width * height * channels;
  const offset = (row - frames.first) * size;
  return { width, height, channels, pixels: pixels.subarray(offset, offset + size) };
}

export type Question =
  | { kind: "episodes"; file: TableFile }
  | { kind: "steps"; file: TableFile; first: number; count: number }
  | { kind: "frames"; file: TableFile; first: number; count: number }
  | { kind: "actions"; file: TableFile }
  | { kind: "trail"; file: TableFile; first: number; count: number }
  | { kind: "map"; file: TableFile; row: number };

export interface Answers {
  episodes: Episode[];
  steps: Steps;
  frames: Frames;
  /** How often each action occurs in the file. */
  actions: number[];
  trail: Trail;
  /** The picture of an episode's world, a PNG; undefined where the dataset has none. */
  map: Uint8Array | undefined;
}
