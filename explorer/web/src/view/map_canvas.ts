/** Draws a world's map and the trails of players on it. */

import type { Trail } from "../frames/protocol";
import { FIELDS, middleOf, TILE } from "../play/trail";

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Pixels of the map's picture in a row and in a column. */
export const SIDE = FIELDS * TILE;

/** Draw the map's picture, a PNG, if there is one. */
export async function drawMap(context: Context, map: Promise<Uint8Array | undefined> | undefined): Promise<void> {
  const png = await map;
  if (png) context.drawImage(await createImageBitmap(new Blob([new Uint8Array(png)], { type: "image/png" })), 0, 0);
}

/** Draw a line through the middles of the fields of a trail. */
export function strokeTrail(context: Context, { x, y }: Trail, colour: string, width: number): void {
  context.beginPath();
  x.forEach((column, step) => {
    const { x: left, y: top } = middleOf({ x: column, y: y[step] });
    context.lineTo(left, top);
  });
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}
