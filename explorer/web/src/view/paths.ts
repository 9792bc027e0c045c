/** The geometry of plots, apart from their drawing. */

/** Where in `width` the steps lie that meet a condition, each place once. */
export function marksOf(values: ArrayLike<number>, isMeant: (value: number) => boolean, width: number): number[] {
  const last = Math.max(1, values.length - 1);
  const marks = new Set<number>();
  for (let step = 0; step < values.length; step++) {
    if (isMeant(values[step])) marks.add(Math.round((width * step) / last));
  }
  return [...marks];
}

/**
 * How often a value occurs along the way, as an SVG path of bars that stand on `bottom`, the full `height` where
 * it always does.
 */
export function sharesOf(values: ArrayLike<number>, kind: number, width: number, height: number, bottom: number): string {
  const bars = Math.min(values.length, BARS);
  let path = "";
  for (let bar = 0; bar < bars; bar++) {
    const first = Math.floor((bar * values.length) / bars);
    const end = Math.floor(((bar + 1) * values.length) / bars);
    let times = 0;
    for (let step = first; step < end; step++) if (values[step] === kind) times += 1;
    if (times === 0) continue;
    const tall = Math.max(1, (height * times) / (end - first));
    const right = (width * (bar + 1)) / bars;
    path += `M${((width * bar) / bars).toFixed(1)} ${bottom}v-${tall.toFixed(1)}H${right.toFixed(1)}V${bottom}`;
  }
  return path;
}
/** As many as there is room for to see. */
const BARS = 200;

/** The lowest and highest of some numbers and zero; never the same two. */
export function rangeOf(values: ArrayLike<number>): { low: number; high: number } {
  let low = 0;
  let high = 0;
  for (let place = 0; place < values.length; place++) {
    low = Math.min(low, values[place]);
    high = Math.max(high, values[place]);
  }
  return low === high ? { low, high: low + 1 } : { low, high };
}

/** A line through all values, as an SVG path; of many values, the lowest and highest of each stretch. */
export function lineOf(values: ArrayLike<number>, width: number, height: number): string {
  const { low, high } = rangeOf(values);
  const last = Math.max(1, values.length - 1);
  const stretch = Math.max(1, Math.floor(values.length / width));
  const point = (step: number) =>
    `${((width * step) / last).toFixed(1)} ${(height * (1 - (values[step] - low) / (high - low))).toFixed(1)}`;
  const points: string[] = [];
  for (let first = 0; first < values.length; first += stretch) {
    const end = Math.min(values.length, first + stretch);
    let lowest = first;
    let highest = first;
    for (let step = first; step < end; step++) {
      if (values[step] < values[lowest]) lowest = step;
      if (values[step] > values[highest]) highest = step;
    }
    for (const step of new Set([Math.min(lowest, highest), Math.max(lowest, highest)])) points.push(point(step));
  }
  return points.length ? `M${points.join("L")}` : "";
}

/** How often each value from 0 to `kinds` - 1 occurs. */
export function countsOf(values: ArrayLike<number>, kinds: number): number[] {
  const counts = new Array<number>(kinds).fill(0);
  for (let place = 0; place < values.length; place++) counts[values[place]] = (counts[values[place]] ?? 0) + 1;
  return counts;
}

/** Where a value lies between two bounds, from 0 to 1; in the middle where both are the same. */
export function shareBetween(low: number, high: number, value: number): number {
  return low === high ? 0.5 : (value - low) / (high - low);
}

/** Round numbers between two bounds: about as many as asked for; where both are the same, that number. */
export function ticksOf(low: number, high: number, about: number): number[] {
  if (low === high) return [low];
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, place) => (first + place) * step);
}
