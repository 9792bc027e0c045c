import { useEffect, useRef, useState } from "preact/hooks";
import { sharingMap, type Episode } from "../data/episodes";
import { messageOf } from "../data/errors";
import type { Explorer } from "../explorer";
import type { Trail } from "../frames/protocol";
import type { Playback } from "../play/playback";
import { coverageOf, overlapOf, seenFields } from "../play/trail";
import { drawMap, SIDE, strokeTrail } from "./map_canvas";

/** Episodes that are shown at once. */
const MOST = 8;
/** A line for each of them, on maps of grass, sand, water and stone. */
const COLOURS = ["#ff3b30", "#00e5ff", "#ffd60a", "#bf5af2", "#ff9f0a", "#ff8fc7", "#2f6bff", "#b8ff3c"];

interface Trajectory {
  episode: Episode;
  trail: Trail;
  seen: Uint8Array;
}

/** The episodes on the map of the one that is shown: where they went, and how much of what they saw they share. */
export function Trajectories({ explorer, playback }: { explorer: Explorer; playback: Playback }) {
  const { trajectories, problem } = useTrajectories(explorer, playback);
  if (problem) return <p class="problem" role="alert">{problem}</p>;
  const isRead = trajectories.some((each) => each.episode === playback.loaded.episode);
  if (!isRead) return <p class="note">reading where players went …</p>;
  const covered = coverageOf(trajectories.map((each) => each.seen));
  return (
    <figure class="trajectories">
      <figcaption>
        <span>
          Episodes on this map: <span data-value="sharing">{trajectories.length}</span>, which saw{" "}
          <span data-value="coverage">{percent(covered)}</span> of it
        </span>
      </figcaption>
      <Paths map={playback.loaded.map} trajectories={trajectories} />
      {trajectories.length > 1 && <Overlap explorer={explorer} trajectories={trajectories} />}
    </figure>
  );
}

function Paths({ map, trajectories }: { map?: Promise<Uint8Array | undefined>; trajectories: Trajectory[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    const draw = async () => {
      context.clearRect(0, 0, SIDE, SIDE);
      await drawMap(context, map).catch(() => undefined); // the world's own map reports it
      for (const [place, { trail }] of trajectories.entries()) strokeTrail(context, trail, COLOURS[place], 8);
    };
    void draw();
  }, [map, trajectories]);
  const label = `Map with the paths of ${trajectories.length} episodes`;
  return <canvas ref={canvas} width={SIDE} height={SIDE} role="img" aria-label={label} />;
}

function Overlap({ explorer, trajectories }: { explorer: Explorer; trajectories: Trajectory[] }) {
  return (
    <table class="overlap">
      <caption>Of what two of them saw, the % that both saw</caption>
      <thead>
        <tr>
          <th scope="col">episode</th>
          {trajectories.map(({ episode }) => (
            <th scope="col">{episode.episode}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {trajectories.map(({ episode, seen }, row) => (
          <tr>
            <th scope="row">
              <button
                type="button"
                style={{ borderColor: COLOURS[row] }}
                onClick={() => void explorer.select({ episode: episode.episode })}
              >
                {episode.episode}
              </button>
            </th>
            {trajectories.map((other) => (
              <td style={{ "--share": overlapOf(seen, other.seen) }}>{Math.round(100 * overlapOf(seen, other.seen))}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

function useTrajectories(explorer: Explorer, playback: Playback): { trajectories: Trajectory[]; problem: string } {
  const [state, setState] = useState<{ trajectories: Trajectory[]; problem: string }>({ trajectories: [], problem: "" });
  const { repository } = explorer;
  const { place, episode } = playback.loaded;
  useEffect(() => {
    if (!repository) return;
    let isShown = true;
    const read = async () => {
      const sharing = sharingMap(await repository.episodes(place), episode, MOST);
      const trails = await Promise.all(sharing.map((each) => repository.trail(place, each)));
      const trajectories = sharing.map((each, at) => ({ episode: each, trail: trails[at], seen: seenFields(trails[at]) }));
      if (isShown) setState({ trajectories, problem: "" });
    };
    read().catch((error: unknown) => isShown && setState({ trajectories: [], problem: messageOf(error) }));
    return () => {
      isShown = false;
    };
  }, [repository, playback]);
  return state;
}
