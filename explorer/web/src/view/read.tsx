import type { Explorer } from "../explorer";
import { Plots } from "./plots";
import { Trajectories } from "./trajectories";

/** The whole of the active episode at a glance. */
export function Read({ explorer }: { explorer: Explorer }) {
  const playback = explorer.pane?.playback;
  return (
    <section class="read" aria-label="The episode as a whole">
      {playback ? <Plots explorer={explorer} playback={playback} /> : null}
      {playback && "player_x" in playback.loaded.steps.state && <Trajectories explorer={explorer} playback={playback} />}
    </section>
  );
}
