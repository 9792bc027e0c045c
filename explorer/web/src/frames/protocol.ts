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
  /** The names of the actions, as the shard itself records them. */
  actionNames: string[];
  /** The shard's row groups that hold these steps. */
  groups: RowGroup[];
}

/** Frames of consecutive rows: 84×84 bytes each, row by row. */
export interface Frames extends RowGroup {
  pixels: Uint8Array;
}

export type Question =
  | { kind: "episodes"; file: TableFile }
  | { kind: "steps"; file: TableFile; first: number; count: number }
  | { kind: "frames"; file: TableFile; first: number; count: number }
  | { kind: "actions"; file: TableFile };

export interface Answers {
  episodes: Episode[];
  steps: Steps;
  frames: Frames;
  /** How often each action occurs in the file. */
  actions: number[];
}

export const WIDTH = 84;
export const HEIGHT = 84;
export const PIXELS = WIDTH * HEIGHT;
