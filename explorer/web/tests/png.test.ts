import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { copyStored, isStored } from "../src/frames/png";
import { HEIGHT, PIXELS, WIDTH } from "../src/frames/protocol";

/** A PNG of a grey gradient, as a program other than ours would write it. */
function png(level: number, pixel: (x: number, y: number) => number): Uint8Array {
  const rows = Buffer.alloc((1 + WIDTH) * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) for (let x = 0; x < WIDTH; x++) rows[y * (1 + WIDTH) + 1 + x] = pixel(x, y);
  const header = Buffer.from([0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 0, 0, 0, 0]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(rows, { level });
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(name: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, Buffer.from(name), data, Buffer.alloc(4)]);
}

const gradient = (x: number, y: number) => (3 * x + 7 * y) % 256;

describe("a stored PNG", () => {
  test("is taken apart to its pixels", () => {
    const stored = png(0, gradient);
    expect(isStored(stored)).toBe(true);
    const pixels = new Uint8Array(2 * PIXELS);
    copyStored(stored, pixels, PIXELS);
    expect(pixels[0]).toBe(0);
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) expect(pixels[PIXELS + y * WIDTH + x]).toBe(gradient(x, y));
    }
  });

  test("is told from one that is deflated, filtered, cut or of another size", () => {
    expect(isStored(png(6, gradient))).toBe(false);
    const filtered = Uint8Array.from(png(0, gradient));
    filtered[48 + 85 * 3] = 1;
    expect(isStored(filtered)).toBe(false);
    expect(isStored(png(0, gradient).subarray(0, 7000))).toBe(false);
    const wide = Uint8Array.from(png(0, gradient));
    wide[19] = 85;
    expect(isStored(wide)).toBe(false);
  });
});
