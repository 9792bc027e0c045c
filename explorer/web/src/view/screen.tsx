import { useEffect, useRef } from "preact/hooks";
import type { Picture } from "../frames/protocol";
import type { Playback } from "../play/playback";

/** Turn a frame into what a canvas takes. */
export function imageOf({ width, height, channels, pixels }: Picture): ImageData {
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  if (channels === 1) {
    for (let pixel = 0; pixel < words.length; pixel++) words[pixel] = 0xff000000 | (pixels[pixel] * 0x010101);
  } else {
    for (let pixel = 0, place = 0; pixel < words.length; pixel++, place += 3) {
      words[pixel] = 0xff000000 | (pixels[place + 2] << 16) | (pixels[place + 1] << 8) | pixels[place];
    }
  }
  return image;
}

/** Draw a frame on a canvas, which takes its size; without one, make it black. */
function show(canvas: HTMLCanvasElement, picture: Picture | undefined): void {
  if (picture && (canvas.width !== picture.width || canvas.height !== picture.height)) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  const context = canvas.getContext("2d")!;
  if (picture) context.putImageData(imageOf(picture), 0, 0);
  else context.fillRect(0, 0, canvas.width, canvas.height);
}

/** The frame that was seen `back` steps before the one that is shown; black before the episode. */
export function Screen({ playback, back = 0, label }: { playback: Playback; back?: number; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    // Drawn at once, not with the rest of the page: so that no frame waits for a view.
    const draw = () => {
      const element = canvas.current;
      const step = playback.step - back;
      const picture = playback.frame(step);
      if (!element || (step >= 0 && !picture)) return;
      if (element.dataset.step === String(step) && element.dataset.of === String(playback.loaded.episode.episode)) return;
      show(element, picture);
      element.dataset.step = String(step);
      if (back === 0) playback.shownStep = step;
    };
    draw();
    return playback.listen(draw);
  }, [playback, back]);
  return <canvas ref={canvas} width={84} height={84} role="img" aria-label={label} />;
}
