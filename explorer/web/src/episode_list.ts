/** The episodes that are listed: of the checkpoint that is shown or of several, as a query chooses and sorts them. */

import type { Run } from "./data/catalog";
import { chooseEpisodes, EVERY_EPISODE, type Episode, type EpisodeQuery } from "./data/episodes";
import { messageOf } from "./data/errors";
import type { Place } from "./data/layout";
import type { Repository } from "./data/repository";

/** The checkpoints whose episodes are listed; undefined is the one that is shown. */
export type Span = { from: number; to: number } | undefined;

/** Episodes tables that are asked for at once. */
const AT_ONCE = 6;

export class EpisodeList {
  query: EpisodeQuery = EVERY_EPISODE;
  span: Span;
  episodes: Episode[] = [];
  problem = "";
  private turn = 0;

  constructor(private readonly tell: () => void) {}

  /** Where an episode is in the list; -1 if it is not there. */
  placeOf({ checkpoint, episode }: { checkpoint: number; episode: number }): number {
    return this.episodes.findIndex((each) => each.checkpoint === checkpoint && each.episode === episode);
  }

  /** Read what is to be listed of a run; what was asked for before and comes later is dropped. */
  async refresh(repository: Repository, shown: Place, run: Run): Promise<void> {
    const turn = ++this.turn;
    const { span } = this;
    const wanted = span
      ? run.checkpoints.filter((each) => span.from <= each && each <= span.to)
      : [shown.checkpoint];
    this.problem = "";
    const all: Episode[] = [];
    for (let first = 0; first < wanted.length; first += AT_ONCE) {
      const some = wanted.slice(first, first + AT_ONCE).map((checkpoint) =>
        repository.episodes({ game: shown.game, run: run.number, checkpoint }).catch((error: unknown) => {
          this.problem = messageOf(error);
          return [];
        }),
      );
      for (const episodes of await Promise.all(some)) all.push(...episodes);
      if (turn !== this.turn) return;
    }
    this.episodes = chooseEpisodes(all, this.query);
    this.tell();
  }

  clear(): void {
    this.turn += 1;
    this.span = undefined;
    this.episodes = [];
  }
}
