import type { Explorer } from "../explorer";
import { Curve } from "./curve";
import { EpisodeTable } from "./episode_table";
import { count, runClass } from "./format";

const SHARES = [
  { value: 1, name: "all" },
  { value: 0.5, name: "best 50 %" },
  { value: 0.1, name: "best 10 %" },
  { value: 0.05, name: "best 5 %" },
  { value: 0.01, name: "best 1 %" },
];

/** Game, run, checkpoint and episode, chosen from what the dataset has. */
export function Find({ explorer }: { explorer: Explorer }) {
  const { game, run, pane } = explorer;
  if (!game || !run || !pane) return null;
  return (
    <section class="find" aria-label="Find an episode">
      <Choices explorer={explorer} />
      <Curve explorer={explorer} game={game} />
      <Filters explorer={explorer} />
      <EpisodeTable explorer={explorer} />
    </section>
  );
}

function Choices({ explorer }: { explorer: Explorer }) {
  const game = explorer.game!;
  const run = explorer.run!;
  const { checkpoint } = explorer.pane!.selection;
  const qualities = Object.entries(game.qualities).filter(([, byRun]) => byRun.has(run.number));
  const goTo = (wanted: number) => void explorer.select({ checkpoint: wanted, episode: 0 });
  return (
    <div class="choices">
      <label>
        <span>Game</span>
        <select
          name="game"
          value={game.slug}
          onChange={(event) => void explorer.select({ game: event.currentTarget.value })}
        >
          {explorer.repository!.catalog.games.map((each) => (
            <option value={each.slug}>{each.name}</option>
          ))}
        </select>
      </label>
      <label>
        <span>Checkpoint</span>
        <select name="checkpoint" value={checkpoint} onChange={(event) => goTo(Number(event.currentTarget.value))}>
          {run.checkpoints.map((each) => (
            <option value={each}>{each}</option>
          ))}
        </select>
      </label>
      <fieldset>
        <legend>Run</legend>
        {game.runs.map(({ number }) => (
          <button
            type="button"
            class={`chip ${runClass(number)}`}
            aria-pressed={number === run.number}
            onClick={() => void explorer.select({ run: number })}
          >
            {number}
          </button>
        ))}
      </fieldset>
      {qualities.length > 0 && (
        <fieldset>
          <legend>Quality</legend>
          {qualities.map(([quality, byRun]) => (
            <button
              type="button"
              class="chip"
              aria-pressed={byRun.get(run.number) === checkpoint}
              onClick={() => goTo(byRun.get(run.number)!)}
            >
              {quality}
            </button>
          ))}
        </fieldset>
      )}
    </div>
  );
}

function Filters({ explorer }: { explorer: Explorer }) {
  const { query, span, episodes, problem } = explorer.list;
  const { checkpoints } = explorer.run!;
  const first = checkpoints[0];
  const last = checkpoints[checkpoints.length - 1];
  const spanOf = (part: "from" | "to", value: number) => {
    const whole = { from: span?.from ?? first, to: span?.to ?? last, [part]: value };
    void explorer.listOthers({}, { from: Math.min(whole.from, whole.to), to: Math.max(whole.from, whole.to) });
  };
  return (
    <div class="filters">
      <h2>
        Episodes <span class="count">{count(episodes.length)}</span>
      </h2>
      <label class="check">
        <input
          type="checkbox"
          checked={query.completeOnly}
          onChange={(event) => void explorer.listOthers({ completeOnly: event.currentTarget.checked })}
        />
        complete
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={query.truncatedOnly}
          onChange={(event) => void explorer.listOthers({ truncatedOnly: event.currentTarget.checked })}
        />
        truncated
      </label>
      <select
        name="top"
        aria-label="Share of the episodes, by return"
        value={query.top}
        onChange={(event) => void explorer.listOthers({ top: Number(event.currentTarget.value) })}
      >
        {SHARES.map(({ value, name }) => (
          <option value={value}>{name}</option>
        ))}
      </select>
      {checkpoints.length > 1 && (
        <div class="span">
          <label class="check">
            <input
              type="checkbox"
              checked={span !== undefined}
              onChange={(event) => void explorer.listOthers({}, event.currentTarget.checked ? { from: first, to: last } : undefined)}
            />
            of other checkpoints
          </label>
          {span && (
            <>
              <Bound name="from" value={span.from} checkpoints={checkpoints} choose={(value) => spanOf("from", value)} />
              <span>to</span>
              <Bound name="to" value={span.to} checkpoints={checkpoints} choose={(value) => spanOf("to", value)} />
            </>
          )}
        </div>
      )}
      {problem && <p class="problem">{problem}</p>}
    </div>
  );
}

function Bound(props: { name: string; value: number; checkpoints: number[]; choose: (value: number) => void }) {
  return (
    <select
      name={props.name}
      aria-label={`Checkpoints ${props.name}`}
      value={props.value}
      onChange={(event) => props.choose(Number(event.currentTarget.value))}
    >
      {props.checkpoints.map((each) => (
        <option value={each}>{each}</option>
      ))}
    </select>
  );
}
