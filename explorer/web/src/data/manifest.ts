/** A checkpoint's manifest: its files with their sizes, and what it counts. */

import { ExplorerError } from "./errors";
import { checkpointFolder, episodesTable, keyOf, type Place } from "./layout";

export interface ParquetRecord {
  path: string;
  /** Bytes. */
  size: number;
  rows: number;
}

export interface Manifest {
  place: Place;
  /** The final dump of a run: not a full lap. */
  partial: boolean;
  steps: number;
  episodes: number;
  /** Of the complete episodes; null where there are none. */
  returns: { mean: number | null; minimum: number | null; maximum: number | null };
  shards: ParquetRecord[];
  episodesTable: ParquetRecord;
}

type Json = Record<string, unknown>;

/**
 * Read a manifest that was found in a place.
 *
 * It may name only files of that place: a link in it leads nowhere else.
 */
export function readManifest(text: string, place: Place): Manifest {
  try {
    const json = JSON.parse(text) as Json;
    const counts = object(json.step_counts);
    const returns = object(json.returns);
    const shards = (json.shards as Json[]).map(record);
    const table = record(object(json.episodes_table));
    const folder = checkpointFolder(place);
    if (!shards.every((shard) => isShardOf(folder, shard.path)) || table.path !== episodesTable(place)) {
      throw new Error("it names files of another place");
    }
    return {
      place,
      partial: json.partial === true,
      steps: number(counts.steps),
      episodes: number(counts.episodes),
      returns: {
        mean: numberOrNull(returns.mean),
        minimum: numberOrNull(returns.minimum),
        maximum: numberOrNull(returns.maximum),
      },
      shards,
      episodesTable: table,
    };
  } catch (error) {
    throw new ExplorerError(
      `The manifest of ${keyOf(place)} cannot be read (${(error as Error).message}); build it again.`,
    );
  }
}

function isShardOf(folder: string, path: string): boolean {
  return path.startsWith(`${folder}/`) && /^steps-\d{5}-of-\d{5}\.parquet$/.test(path.slice(folder.length + 1));
}

function record(json: Json): ParquetRecord {
  if (typeof json.path !== "string") throw new Error("a file without a path");
  return { path: json.path, size: number(json.size), rows: number(json.rows) };
}

function object(value: unknown): Json {
  if (typeof value !== "object" || value === null) throw new Error("a part is missing");
  return value as Json;
}

function number(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) throw new Error("a count is no number");
  return value;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
