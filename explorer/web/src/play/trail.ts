/** Where players went in a world, and what its state says. */

import type { Trail } from "../frames/protocol";

export interface Field {
  x: number;
  y: number;
}

/** The fields of a world's map in a row and in a column. */
export const FIELDS = 64;
/** Pixels of a field in the map's picture. */
export const TILE = 16;
/** How many columns and rows a player sees each way. */
const SIGHT = { columns: 4, rows: 3 };

/** How often each field was visited, by `y * FIELDS + x`, and the most visits of one. */
export function visitsOf(x: Int32Array, y: Int32Array): { visits: Map<number, number>; most: number } {
  const visits = new Map<number, number>();
  x.forEach((column, step) => {
    const field = y[step] * FIELDS + column;
    visits.set(field, (visits.get(field) ?? 0) + 1);
  });
  return { visits, most: Math.max(0, ...visits.values()) };
}

/** The middle of a field in the map's picture, which leaves out the northernmost row. */
export function middleOf({ x, y }: Field): Field {
  return { x: TILE * (x + 0.5), y: TILE * (y - 0.5) };
}

/** Which fields a player saw, 1 for each, by `y * FIELDS + x`. */
export function seenFields({ x, y }: Trail): Uint8Array {
  const seen = new Uint8Array(FIELDS * FIELDS);
  for (const field of visitsOf(x, y).visits.keys()) {
    const column = field % FIELDS;
    const row = Math.floor(field / FIELDS);
    const left = Math.max(0, column - SIGHT.columns);
    const right = Math.min(FIELDS, column + SIGHT.columns + 1);
    const bottom = Math.min(FIELDS, row + SIGHT.rows + 1);
    for (let at = Math.max(0, row - SIGHT.rows); at < bottom; at++) seen.fill(1, at * FIELDS + left, at * FIELDS + right);
  }
  return seen;
}

/** The share of all fields that at least one player saw. */
export function coverageOf(seen: readonly Uint8Array[]): number {
  const fields = FIELDS * FIELDS;
  let covered = 0;
  for (let field = 0; field < fields; field++) if (seen.some((each) => each[field])) covered += 1;
  return covered / fields;
}

/** The fields that both players saw, as a share of those that either saw. */
export function overlapOf(one: Uint8Array, other: Uint8Array): number {
  let both = 0;
  let either = 0;
  one.forEach((saw, field) => {
    both += saw & other[field];
    either += saw | other[field];
  });
  return both / either;
}

/** What the columns that begin with `kind` hold at a step, without the zeros, by names for people. */
export function amountsOf(state: Record<string, Int32Array>, kind: string, step: number): [string, number][] {
  return Object.entries(state)
    .filter(([name, values]) => name.startsWith(`${kind}_`) && values[step] > 0)
    .map(([name, values]) => [name.slice(kind.length + 1).replaceAll("_", " "), values[step]]);
}
