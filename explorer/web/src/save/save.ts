/** Saves frames and whole episodes as files, made in the browser. */

import { applyPalette, GIFEncoder, quantize } from "gifenc";
import {
  BufferTarget,
  CanvasSource,
  getFirstEncodableVideoCodec,
  Mp4OutputFormat,
  Output,
  QUALITY_VERY_HIGH,
  WebMOutputFormat,
} from "mediabunny";
import { ExplorerError } from "../data/errors";
import { frameOf, type Picture } from "../frames/protocol";
import type { Shards } from "../frames/shards";
import type { LoadedEpisode, Playback } from "../play/playback";
import { imageOf } from "../view/screen";

export interface Options {
  shards: Shards;
  /** Frames per second. */
  speed: number;
  progress(share: number): void;
  signal: AbortSignal;
}

/** How much a video is larger than the frames: codecs blur single pixels. */
const VIDEO_SCALE = 4;
const GREYS = Array.from({ length: 256 }, (_, grey) => [grey, grey, grey]);

/** Save a frame, pixel for pixel. */
export async function saveFrame(playback: Playback, image: ImageData): Promise<void> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  offer(await canvas.convertToBlob({ type: "image/png" }), `${nameOf(playback.loaded)}-step-${playback.step}.png`);
}

/** Save an episode as a GIF, which keeps every pixel as it is if no frame has more than 256 colours. */
export async function saveGif(loaded: LoadedEpisode, options: Options): Promise<void> {
  const gif = GIFEncoder();
  // Players show a frame for at least 2 hundredths of a second.
  const delay = 10 * Math.max(2, Math.round(100 / options.speed));
  for await (const frame of framesOf(loaded, options)) {
    const { width, height, channels, pixels } = frame;
    const { palette, index } = channels === 1 ? { palette: GREYS, index: pixels } : paletteOf(imageOf(frame));
    gif.writeFrame(index, width, height, { palette, delay });
  }
  gif.finish();
  offer(new Blob([new Uint8Array(gif.bytes())], { type: "image/gif" }), `${nameOf(loaded)}.gif`);
}

/** The colours of an image, the 256 that suit it best if it has more, and the number of each pixel's. */
function paletteOf(image: ImageData): { palette: number[][]; index: Uint8Array } {
  const words = new Uint32Array(image.data.buffer);
  const numbers = new Map<number, number>();
  for (const word of words) if (!numbers.has(word)) numbers.set(word, numbers.size);
  if (numbers.size <= 256) {
    const palette = Array.from(numbers.keys(), (word) => [word & 255, (word >> 8) & 255, (word >> 16) & 255]);
    return { palette, index: Uint8Array.from(words, (word) => numbers.get(word)!) };
  }
  const palette = quantize(image.data, 256);
  return { palette, index: applyPalette(image.data, palette) };
}

/** Save an episode as MP4 where the browser can encode H.264, and as WebM elsewhere. */
export async function saveVideo(loaded: LoadedEpisode, options: Options): Promise<void> {
  const shape = await shapeOf(loaded, options);
  const size = { width: shape.width * VIDEO_SCALE, height: shape.height * VIDEO_SCALE };
  const codec = await getFirstEncodableVideoCodec(["avc", "vp9", "vp8"], size);
  if (!codec) throw new ExplorerError("This browser encodes no video; save a GIF, or use atari-dqn-replay render-episode.");
  const isMp4 = codec === "avc";
  const target = new BufferTarget();
  const output = new Output({ format: isMp4 ? new Mp4OutputFormat() : new WebMOutputFormat(), target });
  const canvas = new OffscreenCanvas(size.width, size.height);
  const source = new CanvasSource(canvas, { codec, bitrate: QUALITY_VERY_HIGH });
  output.addVideoTrack(source, { frameRate: options.speed });
  await output.start();
  const small = new OffscreenCanvas(shape.width, shape.height);
  const context = canvas.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  try {
    let step = 0;
    for await (const frame of framesOf(loaded, options)) {
      small.getContext("2d")!.putImageData(imageOf(frame), 0, 0);
      context.drawImage(small, 0, 0, size.width, size.height);
      await source.add(step / options.speed, 1 / options.speed);
      step += 1;
    }
    await output.finalize();
  } catch (error) {
    await output.cancel();
    throw error;
  }
  const type = isMp4 ? "video/mp4" : "video/webm";
  offer(new Blob([target.buffer!], { type }), `${nameOf(loaded)}.${isMp4 ? "mp4" : "webm"}`);
}

/** The size of an episode's frames. */
async function shapeOf({ file, steps }: LoadedEpisode, options: Options): Promise<Picture> {
  return await options.shards.frames(file, steps.groups[0]);
}

/** An episode's frames in order, read a row group at a time. */
async function* framesOf(loaded: LoadedEpisode, options: Options): AsyncGenerator<Picture> {
  const { file, steps, episode } = loaded;
  const end = episode.firstRow + episode.length;
  let shown = 0;
  for (const group of steps.groups) {
    options.signal.throwIfAborted();
    const frames = await options.shards.frames(file, group);
    for (let row = Math.max(group.first, episode.firstRow); row < Math.min(end, group.first + group.rows); row++) {
      if (shown % 64 === 0) {
        options.signal.throwIfAborted();
        options.progress(shown / episode.length);
        await new Promise((resolve) => setTimeout(resolve));
      }
      shown += 1;
      yield frameOf(frames, row);
    }
  }
}

function nameOf({ place, episode }: LoadedEpisode): string {
  return `${place.game}-run-${place.run}-checkpoint-${place.checkpoint}-episode-${episode.episode}`;
}

function offer(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
