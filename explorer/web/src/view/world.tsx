import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { messageOf } from "../data/errors";
import type { Playback } from "../play/playback";
import { amountsOf, FIELDS, middleOf, TILE, visitsOf } from "../play/trail";
import { useChanges } from "./hooks";
import { drawMap, SIDE, strokeTrail } from "./map_canvas";

/** The world around the frame: the map with the player's path and visits, the inventory and the achievements. */
export function World({ playback }: { playback: Playback }) {
  useChanges(playback);
  const { state } = playback.loaded.steps;
  const { step } = playback;
  return (
    <section class="world" aria-label="The world">
      <WorldMap playback={playback} />
      <Amounts name="Inventory" amounts={amountsOf(state, "inventory", step)} />
      <Amounts name="Achievements" amounts={amountsOf(state, "achievement", step)} />
    </section>
  );
}

function Amounts({ name, amounts }: { name: string; amounts: [string, number][] }) {
  return (
    <div>
      <h3>{name}</h3>
      <dl class="amounts" data-amounts={name.toLowerCase()}>
        {amounts.map(([what, amount]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{amount}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function WorldMap({ playback }: { playback: Playback }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [ground, setGround] = useState<OffscreenCanvas>();
  const [problem, setProblem] = useState("");
  const { map, steps } = playback.loaded;
  const { player_x: x, player_y: y } = steps.state;
  useEffect(() => {
    drawGround(map, x, y).then(setGround, (error: unknown) => setProblem(messageOf(error)));
  }, [map, x, y]);
  const { step } = playback;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !ground) return;
    context.drawImage(ground, 0, 0);
    drawPath(context, x, y, step);
    canvas.current!.dataset.mapStep = String(step);
  }, [ground, step, x, y]);
  const visited = useMemo(() => visitsOf(x, y).visits.size, [x, y]);
  return (
    <figure>
      <canvas
        ref={canvas}
        width={SIDE}
        height={SIDE}
        role="img"
        aria-label={`Map of the world, with the player's path to column ${x[step]}, row ${y[step]}`}
      />
      <figcaption>
        <span data-value="position">
          column {x[step]}, row {y[step]}
        </span>
        , {visited} fields visited
      </figcaption>
      {problem && <p class="problem" role="alert">{problem}</p>}
    </figure>
  );
}

/** The map, and over it how often each field is visited in the whole episode. */
async function drawGround(map: Promise<Uint8Array | undefined> | undefined, x: Int32Array, y: Int32Array): Promise<OffscreenCanvas> {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d")!;
  await drawMap(context, map);
  const { visits, most } = visitsOf(x, y);
  for (const [field, count] of visits) {
    const middle = middleOf({ x: field % FIELDS, y: Math.floor(field / FIELDS) });
    context.fillStyle = `rgb(255 60 0 / ${0.2 + (0.5 * Math.log1p(count)) / Math.log1p(most)})`;
    context.fillRect(middle.x - TILE / 2, middle.y - TILE / 2, TILE, TILE);
  }
  return canvas;
}

function drawPath(context: CanvasRenderingContext2D, x: Int32Array, y: Int32Array, step: number): void {
  strokeTrail(context, { x: x.subarray(0, step + 1), y: y.subarray(0, step + 1) }, "#ffffff", 4);
  const here = middleOf({ x: x[step], y: y[step] });
  context.beginPath();
  context.arc(here.x, here.y, TILE * 0.8, 0, 2 * Math.PI);
  context.lineWidth = 5;
  context.strokeStyle = "#ffe600";
  context.stroke();
}
