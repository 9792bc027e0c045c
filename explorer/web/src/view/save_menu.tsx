import { useRef, useState } from "preact/hooks";
import { messageOf } from "../data/errors";
import type { Explorer } from "../explorer";
import type { Playback } from "../play/playback";
import { imageOf } from "./screen";

type Kind = "png" | "gif" | "video";

/** Save what is shown: a frame, or the whole episode. */
export function SaveMenu({ explorer, playback }: { explorer: Explorer; playback: Playback }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const [state, setState] = useState("");
  const [stop, setStop] = useState<AbortController>();
  const save = async (kind: Kind) => {
    menu.current!.open = false;
    const controller = new AbortController();
    setStop(controller);
    try {
      // Encoders are loaded once somebody saves something.
      const { saveFrame, saveGif, saveVideo } = await import("../save/save");
      const progress = (share: number) => setState(`saving ${Math.floor(100 * share)} %`);
      const options = { shards: explorer.repository!.shards, speed: explorer.speed, progress, signal: controller.signal };
      const picture = playback.frame(playback.step);
      if (kind === "png" && picture) await saveFrame(playback, imageOf(picture));
      else if (kind === "gif") await saveGif(playback.loaded, options);
      else if (kind === "video") await saveVideo(playback.loaded, options);
      setState("");
    } catch (error) {
      setState(controller.signal.aborted ? "" : messageOf(error));
    } finally {
      setStop(undefined);
    }
  };
  return (
    <div class="save">
      <details ref={menu}>
        <summary class="chip">save</summary>
        <div class="menu">
          <button type="button" onClick={() => void save("png")}>
            This frame as PNG
          </button>
          <button type="button" onClick={() => void save("gif")}>
            This episode as GIF
          </button>
          <button type="button" onClick={() => void save("video")}>
            This episode as MP4 or WebM
          </button>
        </div>
      </details>
      {state && (
        <span class="note" role="status">
          {state}
          {stop && (
            <button type="button" class="quiet" onClick={() => stop.abort()}>
              stop
            </button>
          )}
        </span>
      )}
    </div>
  );
}
