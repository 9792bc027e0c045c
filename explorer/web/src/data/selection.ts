/** Which episode and step is shown, and what a wish for another one leaves open. */

import type { Selection } from "./address";
import type { Game } from "./catalog";
import { ExplorerError } from "./errors";

/** The parts of the present selection that stay: those above the first that a wish changes. */
export function keptBy(wish: Partial<Selection>, present: Partial<Selection> = {}): Partial<Selection> {
  const { game, run, checkpoint, episode } = present;
  if (wish.game !== undefined) return { checkpoint };
  if (wish.run !== undefined) return { game, checkpoint };
  if (wish.checkpoint !== undefined) return { game, run };
  if (wish.episode !== undefined) return { game, run, checkpoint };
  return { game, run, checkpoint, episode };
}

/** Fill in what a wish leaves open: the first game and run, its best known checkpoint, its first episode. */
export function complete(games: readonly Game[], wish: Partial<Selection>): Selection {
  const game = wish.game === undefined ? games[0] : games.find((each) => each.slug === wish.game);
  if (!game) {
    const there = games.map((each) => each.slug).join(", ");
    throw new ExplorerError(`This dataset has no game “${wish.game}”; it has ${there}.`);
  }
  const run = wish.run === undefined ? game.runs[0] : game.runs.find((each) => each.number === wish.run);
  if (!run) {
    const there = game.runs.map((each) => each.number).join(", ");
    throw new ExplorerError(`${game.name} has no run ${wish.run} here; it has ${there}.`);
  }
  const { checkpoints } = run;
  const expert = game.qualities.expert?.get(run.number) ?? checkpoints[checkpoints.length - 1];
  const isThere = wish.checkpoint !== undefined && checkpoints.includes(wish.checkpoint);
  if (!isThere && wish.checkpoint !== undefined && wish.episode !== undefined) {
    throw new ExplorerError(`Run ${run.number} of ${game.name} has no checkpoint ${wish.checkpoint} here.`);
  }
  const checkpoint = isThere ? wish.checkpoint! : expert;
  return { game: game.slug, run: run.number, checkpoint, episode: wish.episode ?? 0, step: wish.step ?? 0 };
}
