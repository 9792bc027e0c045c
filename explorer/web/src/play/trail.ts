/** Where a player went in a world, and what its state says. */

export interface Field {
  x: number;
  y: number;
}

/** The fields of a world's map in a row and in a column. */
export const FIELDS = 64;
/** Pixels of a field in the map's picture. */
export const TILE = 16;

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

/** What the columns that begin with `kind` hold at a step, without the zeros, by names for people. */
export function amountsOf(state: Record<string, Int32Array>, kind: string, step: number): [string, number][] {
  return Object.entries(state)
    .filter(([name, values]) => name.startsWith(`${kind}_`) && values[step] > 0)
    .map(([name, values]) => [name.slice(kind.length + 1).replaceAll("_", " "), values[step]]);
}
