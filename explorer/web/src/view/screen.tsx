import { useEffect, useRef } from "preact/hooks";
import { HEIGHT, PIXELS, WIDTH } from "../frames/protocol";
import type { Playback } from "../play/playback";

/** Turn grey pixels into what a canvas takes. */
export function imageOf(pixels: Uint8Array | undefined): ImageData {
  const image = new ImageData(WIDTH, HEIGHT);
  const words = new Uint32Array(image.data.buffer);
  if (!pixels) return new ImageData(image.data.fill(0).map((_, place) => (place % 4 === 3 ? 255 : 0)), WIDTH, HEIGHT);
  for (let pixel = 0; pixel < PIXELS; pixel++) words[pixel] = 0xff000000 | (pixels[pixel] * 0x010101);
  return image;
}

/** The frame that was seen `back` steps before the one that is shown; black before the episode. */
export function Screen({ playback, back = 0, label }: { playback: Playback; back?: number; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    // Drawn at once, not with the rest of the page: so that no frame waits for a view.
    const draw = () => {
      const element = canvas.current;
      const step = playback.step - back;
      const pixels = playback.frame(step);
      if (!element || (step >= 0 && !pixels)) return;
      if (element.dataset.step === String(step) && element.dataset.of === String(playback.loaded.episode.episode)) return;
      element.getContext("2d")!.putImageData(imageOf(pixels), 0, 0);
      element.dataset.step = String(step);
      if (back === 0) playback.shownStep = step;
    };
    draw();
    return playback.listen(draw);
  }, [playback, back]);
  return <canvas ref={canvas} width={WIDTH} height={HEIGHT} role="img" aria-label={label} />;
}
