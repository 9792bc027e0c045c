import { useMemo } from "preact/hooks";
import type { Explorer } from "../explorer";
import type { Playback } from "../play/playback";
import { useChanges } from "./hooks";
import { marksOf } from "./paths";

/** Where one is in an episode, on a track that shows its rewards, its end and what is already read. */
export function Scrubber({ explorer, index, playback }: { explorer: Explorer; index: number; playback: Playback }) {
  useChanges(playback);
  const { steps, episode } = playback.loaded;
  const length = playback.length;
  const gains = useMemo(() => marksOf(steps.reward, (reward) => reward > 0, 1000), [steps]);
  const losses = useMemo(() => marksOf(steps.reward, (reward) => reward < 0, 1000), [steps]);
  const share = length > 1 ? playback.step / (length - 1) : 0;
  const seek = (event: Event) => {
    explorer.activate(index);
    explorer.seek(Number((event.currentTarget as HTMLInputElement).value));
  };
  return (
    <div class="scrubber">
      <svg viewBox="0 0 1000 32" preserveAspectRatio="none" aria-hidden="true">
        <rect class="rail" x="0" y="13" width="1000" height="6" rx="0" />
        {playback.ready().map(({ start, end }) => (
          <rect class="ready" x={1000 * start} y="13" width={1000 * (end - start)} height="6" />
        ))}
        <path class="gain" d={gains.map((x) => `M${x} 2V13`).join("")} />
        <path class="loss" d={losses.map((x) => `M${x} 19V30`).join("")} />
        <path class={episode.terminated ? "end terminated" : episode.truncated ? "end truncated" : "end cut"} d="M999 4V28" />
      </svg>
      <div class="head" style={{ left: `${100 * share}%` }} />
      <input
        type="range"
        min={0}
        max={length - 1}
        value={playback.step}
        onInput={seek}
        aria-label={`Step of episode ${episode.episode}`}
        aria-valuetext={`step ${playback.step} of ${length}`}
      />
    </div>
  );
}
