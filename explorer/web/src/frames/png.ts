/**
 * Takes the pixels out of PNGs.
 *
 * The frames of a dataset are PNGs whose pixels are stored, not deflated, of one layout for each size and colour (PNG
 * specification, ISO/IEC 15948, with stored deflate blocks of whole rows with filter 0), so that pixels are slices.
 * PNGs that were written again by another tool are decoded by the browser.
 */

import { ExplorerError } from "../data/errors";
import type { Shape } from "./protocol";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Signature, IHDR chunk, head of the IDAT chunk and zlib header. */
const FIRST_BLOCK = 8 + 25 + 8 + 2;
const BLOCK_HEAD = 5;
/** The most bytes in a stored block. */
const MOST_IN_BLOCK = 65_535;
/** Adler-32, CRC-32 and the IEND chunk. */
const REST = 4 + 4 + 12;
/** PNG's colour types, each with its channels. */
const CHANNELS: Record<number, 1 | 3> = { 0: 1, 2: 3 };

/** The size and colour that a PNG's header states. */
export function shapeOf(png: Uint8Array): Shape {
  if (png.length < 33 || !SIGNATURE.every((byte, place) => png[place] === byte)) {
    throw new ExplorerError("An observation is no PNG.");
  }
  const header = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const channels = CHANNELS[png[25]];
  if (png[24] !== 8 || !channels) throw new ExplorerError("An observation is neither grey nor RGB with 8 bits per channel.");
  return { width: header.getUint32(16), height: header.getUint32(20), channels };
}

/** Put the pixels of a PNG of this shape into `pixels` at `offset`. */
export async function decodePng(png: Uint8Array, shape: Shape, pixels: Uint8Array, offset: number): Promise<void> {
  const { width, height, channels } = shapeOf(png);
  if (width !== shape.width || height !== shape.height || channels !== shape.channels) {
    throw new ExplorerError(`An observation is of ${describe({ width, height, channels })}; expected ${describe(shape)}.`);
  }
  if (!copyStored(png, shape, pixels, offset)) await decodeByBrowser(png, shape, pixels, offset);
}

/** Put the pixels of a PNG into `pixels` at `offset`, if they are stored in the layout of datasets; else return false. */
export function copyStored(png: Uint8Array, shape: Shape, pixels: Uint8Array, offset: number): boolean {
  const { width, height, channels } = shape;
  const row = 1 + width * channels;
  const most = Math.floor(MOST_IN_BLOCK / row);
  const blocks = Math.ceil(height / most);
  if (png.length !== FIRST_BLOCK + blocks * BLOCK_HEAD + height * row + REST || png[28] !== 0) return false;
  if (png[FIRST_BLOCK - 2] !== 0x78 || png[FIRST_BLOCK - 1] !== 0x01) return false;
  let start = FIRST_BLOCK;
  for (let first = 0; first < height; first += most) {
    const rows = Math.min(most, height - first);
    const size = rows * row;
    const isLast = first + rows === height ? 1 : 0;
    const head = [isLast, size & 255, size >> 8, ~size & 255, (~size >> 8) & 255];
    if (!head.every((byte, place) => png[start + place] === byte)) return false;
    start += BLOCK_HEAD;
    for (let line = first; line < first + rows; line++, start += row) {
      if (png[start] !== 0) return false;
      pixels.set(png.subarray(start + 1, start + row), offset + line * (row - 1));
    }
  }
  return true;
}

async function decodeByBrowser(png: Uint8Array, shape: Shape, pixels: Uint8Array, offset: number): Promise<void> {
  const { width, height, channels } = shape;
  const blob = new Blob([new Uint8Array(png)], { type: "image/png" });
  const image = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = new OffscreenCanvas(width, height).getContext("2d")!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < channels; channel++) pixels[offset + pixel * channels + channel] = data[4 * pixel + channel];
  }
}

function describe({ width, height, channels }: Shape): string {
  return `${height} × ${width} pixels, ${channels === 1 ? "grey" : "RGB"}`;
}
