/**
 * Takes the pixels out of PNGs.
 *
 * The frames of a dataset are PNGs whose pixels are stored, not deflated: 7,208 bytes of one layout (PNG
 * specification, ISO/IEC 15948, with one stored deflate block of rows with filter 0), so that pixels are slices.
 * PNGs that were written again by another tool are decoded by the browser.
 */

import { ExplorerError } from "../data/errors";
import { HEIGHT, PIXELS, WIDTH } from "./protocol";

const ROW = 1 + WIDTH;
const STORED_BYTES = 7208;
/** Signature, IHDR chunk, head of the IDAT chunk, zlib header and head of the stored block. */
const FIRST_ROW = 8 + 25 + 8 + 2 + 5;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** 84 × 84, 8 bits, grey, not interlaced. */
const HEADER = [0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 0, 0, 0, 0];
/** A last block that is stored, of all rows, and its length's complement. */
const BLOCK = [0x78, 0x01, 0x01, (ROW * HEIGHT) & 255, (ROW * HEIGHT) >> 8, ~(ROW * HEIGHT) & 255, (~(ROW * HEIGHT) >> 8) & 255];

/** Put the pixels of a PNG into `pixels` at `offset`. */
export async function decodePng(png: Uint8Array, pixels: Uint8Array, offset: number): Promise<void> {
  if (isStored(png)) copyStored(png, pixels, offset);
  else await decodeByBrowser(png, pixels, offset);
}

/** Whether the pixels of a PNG are stored in the layout of this dataset. */
export function isStored(png: Uint8Array): boolean {
  if (png.length !== STORED_BYTES) return false;
  const has = (bytes: number[], start: number) => bytes.every((byte, place) => png[start + place] === byte);
  if (!has(SIGNATURE, 0) || !has(HEADER, 16) || !has(BLOCK, FIRST_ROW - BLOCK.length)) return false;
  for (let row = 0; row < HEIGHT; row++) if (png[FIRST_ROW + row * ROW] !== 0) return false;
  return true;
}

/** Put the pixels of a stored PNG into `pixels` at `offset`. */
export function copyStored(png: Uint8Array, pixels: Uint8Array, offset: number): void {
  for (let row = 0; row < HEIGHT; row++) {
    const start = FIRST_ROW + row * ROW + 1;
    pixels.set(png.subarray(start, start + WIDTH), offset + row * WIDTH);
  }
}

async function decodeByBrowser(png: Uint8Array, pixels: Uint8Array, offset: number): Promise<void> {
  if (!SIGNATURE.every((byte, place) => png[place] === byte)) throw new ExplorerError("An observation is no PNG.");
  const blob = new Blob([new Uint8Array(png)], { type: "image/png" });
  const image = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  if (image.width !== WIDTH || image.height !== HEIGHT) {
    throw new ExplorerError(`An observation is of ${image.width} × ${image.height} pixels; expected 84 × 84.`);
  }
  const context = new OffscreenCanvas(WIDTH, HEIGHT).getContext("2d")!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
  for (let pixel = 0; pixel < PIXELS; pixel++) pixels[offset + pixel] = data[4 * pixel];
}
