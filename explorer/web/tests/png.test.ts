import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { copyStored, shapeOf } from "../src/frames/png";
import type { Shape } from "../src/frames/protocol";

const GREY84: Shape = { width: 84, height: 84, channels: 1 };
const RGB64: Shape = { width: 64, height: 64, channels: 3 };
const RGB210x160: Shape = { width: 160, height: 210, channels: 3 };

/** A PNG of a gradient, deflated as a program other than ours would do it; at level 0 in blocks of whole rows. */
function png({ width, height, channels }: Shape, level: number): Uint8Array {
  const row = 1 + width * channels;
  const rows = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) for (let x = 1; x < row; x++) rows[y * row + x] = gradient(x - 1, y);
  const header = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, channels === 1 ? 0 : 2, 0, 0, 0]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = level ? deflateSync(rows, { level }) : stored(rows, row * Math.floor(65_535 / row));
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function stored(rows: Buffer, most: number): Buffer {
  const parts = [Buffer.from([0x78, 0x01]) as Buffer];
  for (let start = 0; start < rows.length; start += most) {
    const block = rows.subarray(start, start + most);
    const head = Buffer.alloc(5);
    head[0] = start + block.length === rows.length ? 1 : 0;
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(~block.length & 0xffff, 3);
    parts.push(head, block);
  }
  return Buffer.concat([...parts, Buffer.alloc(4)]);
}

function chunk(name: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, Buffer.from(name), data, Buffer.alloc(4)]);
}

const gradient = (x: number, y: number) => (3 * x + 7 * y) % 256;

describe("a stored PNG", () => {
  test.each([GREY84, RGB64, RGB210x160])("of $width × $height, $channels channels, is taken apart to its pixels", (shape) => {
    const image = png(shape, 0);
    const row = shape.width * shape.channels;
    const size = row * shape.height;
    const pixels = new Uint8Array(2 * size);
    expect(shapeOf(image)).toEqual(shape);
    expect(copyStored(image, shape, pixels, size)).toBe(true);
    expect(pixels.subarray(0, size).some(Boolean)).toBe(false);
    expect(pixels.subarray(size).every((value, place) => value === gradient(place % row, Math.floor(place / row)))).toBe(true);
  });

  test("is told from one that is deflated, filtered, cut or of another size", () => {
    const pixels = new Uint8Array(85 * 85);
    expect(copyStored(png(GREY84, 6), GREY84, pixels, 0)).toBe(false);
    const filtered = Uint8Array.from(png(GREY84, 0));
    filtered[48 + 85 * 3] = 1;
    expect(copyStored(filtered, GREY84, pixels, 0)).toBe(false);
    expect(copyStored(png(GREY84, 0).subarray(0, 7000), GREY84, pixels, 0)).toBe(false);
    expect(copyStored(png(GREY84, 0), { ...GREY84, width: 85 }, pixels, 0)).toBe(false);
  });

  test("is no PNG of 16 bits, of a palette or of anything else", () => {
    for (const place of [24, 25]) {
      const other = Uint8Array.from(png(GREY84, 0));
      other[place] = 3;
      expect(() => shapeOf(other)).toThrow("neither grey nor RGB");
    }
    expect(() => shapeOf(new Uint8Array(100))).toThrow("no PNG");
  });
});
