import { useEffect, useState } from "preact/hooks";
import type { Game } from "../data/catalog";
import type { Manifest } from "../data/manifest";
import type { Explorer } from "../explorer";
import { amount, runClass } from "./format";
import { shareBetween, ticksOf } from "./paths";

const WIDTH = 360;
const HEIGHT = 150;
const LEFT = 34;
const BOTTOM = 18;
const TOP = 8;

/** A run's returns at one checkpoint. */
export interface Point {
  run: number;
  checkpoint: number;
  mean: number;
  minimum: number;
  maximum: number;
}

/** Mean and spread of the returns at each checkpoint of all runs; a click goes to that checkpoint. */
export function Curve({ explorer, game }: { explorer: Explorer; game: Game }) {
  const { points, isWhole } = usePoints(explorer, game);
  const [near, setNear] = useState<Point>();
  const { run, checkpoint } = explorer.pane!.selection;
  const scale = scaleOf(points, game);
  const nearest = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const y = ((event.clientY - box.top) / box.height) * HEIGHT;
    return findNearest(points, (point) => Math.abs(scale.x(point.checkpoint) - x) * 100 + Math.abs(scale.y(point.mean) - y));
  };
  const go = (event: MouseEvent) => {
    const point = nearest(event);
    if (point) void explorer.select({ run: point.run, checkpoint: point.checkpoint, episode: 0 });
  };
  const here = points.find((point) => point.run === run && point.checkpoint === checkpoint);
  const told = near ?? here;
  return (
    <figure class="curve">
      <figcaption>
        Returns by checkpoint
        <span class="told">
          {told
            ? `run ${told.run}, checkpoint ${told.checkpoint}: ${amount(told.mean)} [${amount(told.minimum)}, ${amount(told.maximum)}]`
            : isWhole
              ? "no complete episodes"
              : "reading …"}
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Mean return of the complete episodes of ${game.name} at each checkpoint, a line for each run.`}
        onClick={go}
        onMouseMove={(event) => setNear(nearest(event))}
        onMouseLeave={() => setNear(undefined)}
      >
        {scale.ticks.map((tick) => (
          <g>
            <path class="grid" d={`M${LEFT} ${scale.y(tick)}H${WIDTH}`} />
            <text x={LEFT - 5} y={scale.y(tick) + 3.5} text-anchor="end">
              {amount(tick)}
            </text>
          </g>
        ))}
        {scale.checkpoints.map((each) => (
          <text x={scale.x(each)} y={HEIGHT - 4} text-anchor="middle">
            {each}
          </text>
        ))}
        <path class="cursor" d={`M${scale.x(checkpoint)} ${TOP}V${HEIGHT - BOTTOM}`} />
        {game.runs.map(({ number }) => {
          const ofRun = points.filter((point) => point.run === number);
          return (
            <g class={`${runClass(number)} ${number === run ? "chosen" : ""}`}>
              <path class="band" d={bandOf(ofRun, scale)} />
              <path class="mean" d={meansOf(ofRun, scale)} />
              {ofRun.length < 12 &&
                ofRun.map((point) => <circle class="dot" r="2" cx={scale.x(point.checkpoint)} cy={scale.y(point.mean)} />)}
            </g>
          );
        })}
        {here && <circle class={`here ${runClass(run)}`} r="4.5" cx={scale.x(checkpoint)} cy={scale.y(here.mean)} />}
        {near && <circle class={`near ${runClass(near.run)}`} r="3.5" cx={scale.x(near.checkpoint)} cy={scale.y(near.mean)} />}
      </svg>
    </figure>
  );
}

/** The points of a game's runs, those of the shown run first; they come with the manifests. */
function usePoints(explorer: Explorer, game: Game): { points: Point[]; isWhole: boolean } {
  const [state, setState] = useState<{ points: Point[]; isWhole: boolean }>({ points: [], isWhole: false });
  const { repository } = explorer;
  const isReady = explorer.pane?.playback !== undefined || explorer.pane?.problem !== "";
  useEffect(() => {
    // The first frame comes before the curve.
    if (!repository || !isReady) return;
    let isShown = true;
    setState({ points: [], isWhole: false });
    const shown = explorer.pane!.selection.run;
    const runs = [...game.runs].sort((one, other) => Number(other.number === shown) - Number(one.number === shown));
    const places = runs.flatMap((run) =>
      run.checkpoints.map((checkpoint) => ({ game: game.slug, run: run.number, checkpoint })),
    );
    const read = async () => {
      const points: Point[] = [];
      let drawn = performance.now();
      for await (const manifest of repository.manifestsOf(places)) {
        if (!isShown) return;
        const point = pointOf(manifest);
        if (point) points.push(point);
        if (performance.now() - drawn < 150) continue;
        drawn = performance.now();
        setState({ points: sorted(points), isWhole: false });
      }
      if (isShown) setState({ points: sorted(points), isWhole: true });
    };
    void read();
    return () => {
      isShown = false;
    };
  }, [repository, game, isReady]);
  return state;
}

function sorted(points: readonly Point[]): Point[] {
  return [...points].sort((one, other) => one.run - other.run || one.checkpoint - other.checkpoint);
}

function pointOf({ place, returns }: Manifest): Point | undefined {
  const { mean, minimum, maximum } = returns;
  if (mean === null || minimum === null || maximum === null) return undefined;
  return { run: place.run, checkpoint: place.checkpoint, mean, minimum, maximum };
}

interface Scale {
  x(checkpoint: number): number;
  y(value: number): number;
  ticks: number[];
  checkpoints: number[];
}

function scaleOf(points: Point[], game: Game): Scale {
  const all = game.runs.flatMap((run) => run.checkpoints);
  const first = Math.min(...all);
  const last = Math.max(...all);
  const low = points.length ? Math.min(...points.map((point) => point.minimum)) : 0;
  const high = points.length ? Math.max(...points.map((point) => point.maximum)) : 1;
  const x = (checkpoint: number) => LEFT + 6 + (WIDTH - LEFT - 14) * shareBetween(first, last, checkpoint);
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - shareBetween(low, high, value));
  const whole = ticksOf(first, last, 6).filter((each) => Number.isInteger(each));
  return { x, y, ticks: ticksOf(low, high, 4), checkpoints: whole };
}

function meansOf(points: Point[], { x, y }: Scale): string {
  if (points.length === 0) return "";
  return `M${points.map((point) => `${x(point.checkpoint)} ${y(point.mean)}`).join("L")}`;
}

function bandOf(points: Point[], { x, y }: Scale): string {
  if (points.length < 2) return "";
  const above = points.map((point) => `${x(point.checkpoint)} ${y(point.maximum)}`);
  const below = [...points].reverse().map((point) => `${x(point.checkpoint)} ${y(point.minimum)}`);
  return `M${[...above, ...below].join("L")}Z`;
}

function findNearest(points: Point[], distance: (point: Point) => number): Point | undefined {
  return points.reduce<Point | undefined>(
    (best, point) => (best === undefined || distance(point) < distance(best) ? point : best),
    undefined,
  );
}
