import type { Explorer, Pane } from "../explorer";
import { SPEEDS } from "../play/clock";
import { STACK, type Playback } from "../play/playback";
import { count } from "./format";
import { useChanges } from "./hooks";
import { SaveMenu } from "./save_menu";
import { Screen } from "./screen";
import { Scrubber } from "./scrubber";
import { Values } from "./values";
import { World } from "./world";

/** The episodes that are shown, and what plays them. */
export function Watch({ explorer }: { explorer: Explorer }) {
  return (
    <section class="watch" aria-label="Watch">
      <div class={explorer.panes.length > 1 ? "panes two" : "panes"}>
        {explorer.panes.map((pane, index) => (
          <PaneView explorer={explorer} pane={pane} index={index} />
        ))}
      </div>
      <Controls explorer={explorer} />
    </section>
  );
}

function PaneView({ explorer, pane, index }: { explorer: Explorer; pane: Pane; index: number }) {
  const { playback } = pane;
  useChanges(playback);
  const { selection } = pane;
  const game = explorer.repository?.catalog.games.find((each) => each.slug === selection.game);
  const isActive = index === explorer.active && explorer.panes.length > 1;
  const problem = pane.problem || playback?.problem;
  return (
    <article
      class={isActive ? "pane active" : "pane"}
      data-state={problem ? "problem" : playback && playback.shownStep >= 0 ? "shown" : "reading"}
      data-waits={playback?.waits}
      data-skipped={playback?.skipped}
      data-shown={playback?.shown}
      onPointerDown={() => explorer.activate(index)}
      onFocusIn={() => explorer.activate(index)}
    >
      <h2>
        <b>{game?.name ?? selection.game}</b> <span>run {selection.run}</span> <span>checkpoint {selection.checkpoint}</span>{" "}
        <span>episode {selection.episode}</span>
      </h2>
      <div class="screen">
        {playback && !pane.problem ? <Screens explorer={explorer} playback={playback} /> : <div class="blank" />}
        {problem && <p class="problem" role="alert">{problem}</p>}
      </div>
      {playback && !pane.problem && (
        <>
          <Scrubber explorer={explorer} index={index} playback={playback} />
          <Values playback={playback} />
          {"player_x" in playback.loaded.steps.state && <World key={keyOfEpisode(playback)} playback={playback} />}
        </>
      )}
    </article>
  );
}

function keyOfEpisode({ loaded: { place, episode } }: Playback): string {
  return `${place.run}/${place.checkpoint}/${episode.episode}`;
}

function Screens({ explorer, playback }: { explorer: Explorer; playback: Playback }) {
  const { checkpoint, run } = playback.loaded.place;
  const label = `Frame of run ${run}, checkpoint ${checkpoint}, episode ${playback.loaded.episode.episode}`;
  if (!explorer.showsStack) return <Screen key="one" playback={playback} label={label} />;
  return (
    <div class="stack" key="stack">
      {Array.from({ length: STACK }, (_, place) => STACK - 1 - place).map((back) => (
        <Screen key={back} playback={playback} back={back} label={back ? `${label}, ${back} steps before` : label} />
      ))}
    </div>
  );
}

function Controls({ explorer }: { explorer: Explorer }) {
  const { pane } = explorer;
  useChanges(pane?.playback);
  const isPlaying = explorer.panes.some((each) => each.playback?.isPlaying);
  const playback = pane?.playback;
  return (
    <div class="controls" role="toolbar" aria-label="Playback">
      <div class="group">
        <Button name="To the start" path="M4 4h2v12H4zM16 4v12L7 10z" onClick={() => explorer.seek(0)} />
        <Button name="One frame back" path="M13 4v12L5 10z" onClick={() => explorer.move(-1)} />
        <button
          type="button"
          class="play"
          aria-label={isPlaying ? "Pause" : "Play"}
          title={isPlaying ? "Pause (space)" : "Play (space)"}
          onClick={() => explorer.togglePlay()}
        >
          <Sign path={isPlaying ? "M5 4h3.500v12H5zM11.500 4H15v12h-3.500z" : "m6 3.500 10 6.500-10 6.500z"} />
        </button>
        <Button name="One frame on" path="M7 4v12l8-6z" onClick={() => explorer.move(1)} />
        <Button name="Next episode" path="M14 4h2v12h-2zM4 4v12l9-6z" onClick={() => void explorer.stepEpisode(1)} />
      </div>
      <label class="speed">
        <select
          name="speed"
          aria-label="Frames per second"
          value={explorer.speed}
          onChange={(event) => explorer.setSpeed(Number(event.currentTarget.value))}
        >
          {SPEEDS.map((speed) => (
            <option value={speed}>{speed}</option>
          ))}
        </select>
        fps
      </label>
      <button type="button" class="chip" aria-pressed={explorer.showsStack} onClick={() => explorer.toggleStack()}>
        stack of {STACK}
      </button>
      <button
        type="button"
        class="chip"
        aria-pressed={explorer.panes.length > 1}
        onClick={() => void explorer.toggleBeside()}
      >
        side by side
      </button>
      {playback && <SaveMenu explorer={explorer} playback={playback} />}
      <span class="late" aria-live="off">
        {playback && playback.waits + playback.skipped > 0 ? `${count(playback.waits + playback.skipped)} late` : ""}
      </span>
    </div>
  );
}

function Button({ name, path, onClick }: { name: string; path: string; onClick: () => void }) {
  return (
    <button type="button" class="icon" aria-label={name} title={name} onClick={onClick}>
      <Sign path={path} />
    </button>
  );
}

function Sign({ path }: { path: string }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
