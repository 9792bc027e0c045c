/** Reads Parquet files by ranges: footers once, then only the row groups and columns that are asked for. */

import { parquetMetadataAsync, parquetRead, type AsyncBuffer, type FileMetaData } from "hyparquet";
import { ZSTDDecoder } from "zstddec";
import type { Episode } from "../data/episodes";
import { ExplorerError, messageOf } from "../data/errors";
import { readRange } from "../data/http";
import { decodePng, shapeOf } from "./png";
import { type Frames, type RowGroup, type Steps, type TableFile, type Trail } from "./protocol";

const decoder = new ZSTDDecoder();
const compressors = { ZSTD: decompress };
/** How many bytes of a footer to request first: for each row group of 2,048 rows, and for the schema. */
const FOOTER_BYTES = 1100;
const SCHEMA_BYTES = 12_000;
/** The number of footers kept in memory: one of a million rows takes a few megabytes. */
const KEPT_FOOTERS = 8;
/** The names of the columns that hold the state of a world. */
const STATE = /^(player|inventory|achievement)_/;
const footers = new Map<string, Promise<FileMetaData>>();

/** Read an episodes table. */
export async function readEpisodes(file: TableFile): Promise<Episode[]> {
  const columns = ["checkpoint", "episode", "length", "return", "terminated", "truncated", "complete", "file", "first_row"];
  const { schema } = await readFooter(file);
  const hasWorlds = schema.some((each) => each.name === "world_seed");
  if (hasWorlds) columns.push("world_seed", "world_episode");
  const rows = await readColumns(file, columns, 0, file.rows);
  return Array.from({ length: file.rows }, (_, row) => ({
    checkpoint: Number(rows.checkpoint[row]),
    episode: Number(rows.episode[row]),
    length: Number(rows.length[row]),
    return: Number(rows.return[row]),
    terminated: rows.terminated[row] === true,
    truncated: rows.truncated[row] === true,
    complete: rows.complete[row] === true,
    file: String(rows.file[row]),
    firstRow: Number(rows.first_row[row]),
    world: hasWorlds ? `${rows.world_seed[row]} ${rows.world_episode[row]}` : undefined,
  }));
}

/** Read the steps of an episode, without their frames. */
export async function readSteps(file: TableFile, first: number, count: number): Promise<Steps> {
  const metadata = await readFooter(file);
  const groups = rowGroups(metadata).filter((group) => group.first < first + count && first < group.first + group.rows);
  const unclipped = metadata.schema.some((each) => each.name === "unclipped_reward");
  const names = ["action", "reward", "terminated", "truncated", "return_to_go", "step"];
  if (unclipped) names.push("unclipped_reward");
  const state = metadata.schema.map((each) => each.name).filter((name) => STATE.test(name));
  names.push(...state);
  const columns = await readColumns(file, names, first, first + count);
  if (columns.step.some((step, row) => Number(step) !== row)) {
    throw new ExplorerError(`${file.path}: episodes lie elsewhere than the episodes table says; build it again.`);
  }
  return {
    action: Uint8Array.from(columns.action, Number),
    reward: Float32Array.from(columns.reward, Number),
    unclippedReward: unclipped ? Float32Array.from(columns.unclipped_reward, Number) : undefined,
    returnToGo: Float32Array.from(columns.return_to_go, Number),
    terminated: Uint8Array.from(columns.terminated, Number),
    truncated: Uint8Array.from(columns.truncated, Number),
    state: Object.fromEntries(state.map((name) => [name, Int32Array.from(columns[name], Number)])),
    actionNames: actionNames(metadata),
    groups,
  };
}

/** Read the positions of the player in consecutive steps. */
export async function readTrail(file: TableFile, first: number, count: number): Promise<Trail> {
  const { player_x, player_y } = await readColumns(file, ["player_x", "player_y"], first, first + count);
  return { x: Int32Array.from(player_x, Number), y: Int32Array.from(player_y, Number) };
}

/** Read the frames of consecutive rows. */
export async function readFrames(file: TableFile, first: number, count: number): Promise<Frames> {
  const { observation } = await readColumns(file, ["observation"], first, first + count);
  const pngs = Array.from(observation as Iterable<{ bytes?: Uint8Array }>, (image, row) => {
    if (!image?.bytes) throw new ExplorerError(`${file.path}: row ${first + row} has no image.`);
    return image.bytes;
  });
  const shape = shapeOf(pngs[0]);
  const size = shape.width * shape.height * shape.channels;
  const pixels = new Uint8Array(count * size);
  for (const [row, png] of pngs.entries()) await decodePng(png, shape, pixels, row * size);
  return { first, rows: count, ...shape, pixels };
}

/** Read the picture of an episode's world from the episodes table, or `undefined` if the table has none. */
export async function readMap(file: TableFile, row: number): Promise<Uint8Array | undefined> {
  const metadata = await readFooter(file);
  if (!metadata.schema.some((each) => each.name === "map")) return undefined;
  const { map } = await readColumns(file, ["map"], row, row + 1);
  return (map as unknown as { bytes?: Uint8Array }[])[0]?.bytes;
}

/** Count how often each action occurs in a file, by its number. */
export async function countActions(file: TableFile): Promise<number[]> {
  const counts: number[] = [];
  const { action } = await readColumns(file, ["action"], 0, file.rows);
  for (const each of action) counts[Number(each)] = (counts[Number(each)] ?? 0) + 1;
  return Array.from(counts, (count) => count ?? 0);
}

async function readColumns(
  file: TableFile,
  columns: string[],
  rowStart: number,
  rowEnd: number,
): Promise<Record<string, ArrayLike<unknown> & { some(test: (value: unknown, row: number) => boolean): boolean } & Iterable<unknown>>> {
  const metadata = await readFooter(file);
  await decoder.init();
  const read: Record<string, unknown[]> = Object.fromEntries(columns.map((name) => [name, new Array(rowEnd - rowStart)]));
  try {
    await parquetRead({
      file: bufferOf(file),
      metadata,
      columns,
      rowStart,
      rowEnd,
      utf8: false,
      compressors,
      onChunk: ({ columnName, columnData, rowStart: chunkStart }) => {
        const rows = read[columnName];
        for (let place = 0; place < columnData.length; place++) {
          const row = chunkStart + place - rowStart;
          if (row >= 0 && row < rows.length) rows[row] = columnData[place];
        }
      },
    });
  } catch (error) {
    if (error instanceof ExplorerError) throw error;
    throw new ExplorerError(`${file.path}: this part of the file cannot be read (${messageOf(error)}).`);
  }
  return read;
}

function readFooter(file: TableFile): Promise<FileMetaData> {
  const known = footers.get(file.url);
  if (known) return known;
  const initialFetchSize = SCHEMA_BYTES + FOOTER_BYTES * Math.ceil(file.rows / 2048);
  const footer = parquetMetadataAsync(bufferOf(file), { initialFetchSize, geoparquet: false }).catch((error: unknown) => {
    footers.delete(file.url);
    if (error instanceof ExplorerError) throw error;
    throw new ExplorerError(`${file.path}: not a Parquet file of ${file.size} bytes (${messageOf(error)}).`);
  });
  footers.set(file.url, footer);
  const oldest = footers.keys().next().value;
  if (footers.size > KEPT_FOOTERS && oldest !== undefined) footers.delete(oldest);
  return footer;
}

function bufferOf(file: TableFile): AsyncBuffer {
  return { byteLength: file.size, slice: (start, end = file.size) => readRange(file, start, Math.min(end, file.size)) };
}

function decompress(compressed: Uint8Array, size: number): Uint8Array {
  const bytes = decoder.decode(compressed, size);
  if (bytes.length !== size) throw new ExplorerError("the compressed data is damaged");
  return bytes;
}

function rowGroups(metadata: FileMetaData): RowGroup[] {
  let first = 0;
  return metadata.row_groups.map((group) => {
    const rows = Number(group.num_rows);
    first += rows;
    return { first: first - rows, rows };
  });
}

/** Returns the names of the actions, which `datasets` stores in the metadata of a Parquet file. */
function actionNames(metadata: FileMetaData): string[] {
  try {
    const text = metadata.key_value_metadata?.find((each) => each.key === "huggingface")?.value ?? "";
    const names: unknown = JSON.parse(text).info.features.action.names;
    return Array.isArray(names) ? names.map(String) : [];
  } catch {
    return [];
  }
}
