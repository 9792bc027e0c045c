import { useMemo } from "preact/hooks";
import type { Explorer } from "../explorer";
import type { Playback } from "../play/playback";
import { amount, count } from "./format";
import { useChanges } from "./hooks";
import { countsOf, lineOf, rangeOf, sharesOf } from "./paths";
import { useCheckpointActions } from "./checkpoint_actions";

const WIDTH = 600;
const HEIGHT = 120;
const ROW = 14;

/** Plots of an episode over its steps; a click goes to a step. */
export function Plots({ explorer, playback }: { explorer: Explorer; playback: Playback }) {
  const { steps } = playback.loaded;
  const names = steps.actionNames;
  const kinds = Math.max(names.length, ...steps.action.map((each) => each + 1));
  const line = useMemo(() => lineOf(steps.returnToGo, WIDTH, HEIGHT), [steps]);
  const { low, high } = useMemo(() => rangeOf(steps.returnToGo), [steps]);
  const rows = useMemo(
    () => Array.from({ length: kinds }, (_, kind) => sharesOf(steps.action, kind, WIDTH, ROW - 3, ROW * (kind + 1) - 1)),
    [steps, kinds],
  );
  const zero = HEIGHT * (1 - (0 - low) / (high - low));
  return (
    <>
      <figure>
        <figcaption>Return to go</figcaption>
        <div class="plot">
          <span class="high">{amount(high)}</span>
          <span class="low">{amount(low)}</span>
          <svg viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`} preserveAspectRatio="none" onClick={goTo(explorer, playback)} aria-hidden="true">
            <path class="axis" d={`M0 ${zero}H${WIDTH}`} />
            <path class="line" d={line} />
          </svg>
          <Here playback={playback} />
        </div>
      </figure>
      <figure>
        <figcaption>Actions</figcaption>
        <div class="plot actions">
          <ol class="names">
            {rows.map((_, kind) => (
              <li>{names[kind] ?? kind}</li>
            ))}
          </ol>
          <div class="raster">
            <svg
              viewBox={`0 0 ${WIDTH} ${ROW * kinds}`}
              preserveAspectRatio="none"
              style={{ height: `${ROW * kinds}px` }}
              onClick={goTo(explorer, playback)}
              aria-hidden="true"
            >
              {rows.map((shares) => (
                <path class="share" d={shares} />
              ))}
            </svg>
            <Here playback={playback} />
          </div>
        </div>
      </figure>
      <Histogram explorer={explorer} playback={playback} kinds={kinds} />
    </>
  );
}

function goTo(explorer: Explorer, playback: Playback) {
  return (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    explorer.seek(((event.clientX - box.left) / box.width) * (playback.length - 1));
  };
}

/** A line at the step that is shown. */
function Here({ playback }: { playback: Playback }) {
  useChanges(playback);
  const share = playback.length > 1 ? playback.step / (playback.length - 1) : 0;
  return <div class="here" style={{ left: `${100 * share}%` }} />;
}

/** How often each action was taken, in the episode and in its whole checkpoint. */
function Histogram({ explorer, playback, kinds }: { explorer: Explorer; playback: Playback; kinds: number }) {
  const { steps, place } = playback.loaded;
  const inEpisode = useMemo(() => countsOf(steps.action, kinds), [steps, kinds]);
  const checkpoint = useCheckpointActions(explorer, place);
  const inCheckpoint = checkpoint.counts;
  return (
    <figure>
      <figcaption>
        How often <span class="key episode">in the episode</span>
        {inCheckpoint && <span class="key checkpoint">in the checkpoint</span>}
      </figcaption>
      <table class="histogram">
        <thead class="hidden">
          <tr>
            <th scope="col">Action</th>
            <th scope="col">Share</th>
            <th scope="col">In the episode</th>
          </tr>
        </thead>
        <tbody>
          {inEpisode.map((times, kind) => (
            <tr>
              <th scope="row">{steps.actionNames[kind] ?? kind}</th>
              <td class="bars">
                <Bar of={times} all={steps.action.length} kind="episode" />
                {inCheckpoint && <Bar of={inCheckpoint[kind] ?? 0} all={sum(inCheckpoint)} kind="checkpoint" />}
              </td>
              <td class="number" title={`${count(times)} times in the episode`}>
                {amount((100 * times) / steps.action.length)} %
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {checkpoint.ask && (
        <button type="button" class="quiet" onClick={checkpoint.ask}>
          Count the whole checkpoint
        </button>
      )}
      {checkpoint.state && <p class="note">{checkpoint.state}</p>}
    </figure>
  );
}

function Bar({ of, all, kind }: { of: number; all: number; kind: string }) {
  return <div class={`bar ${kind}`} style={{ width: `${(100 * of) / Math.max(1, all)}%` }} />;
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
