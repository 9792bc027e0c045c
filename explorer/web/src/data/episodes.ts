/** The episodes tables: which episodes there are, sorted and chosen. */

export interface Episode {
  checkpoint: number;
  episode: number;
  length: number;
  return: number;
  terminated: boolean;
  truncated: boolean;
  /** Began at a reset, and was ended by the game or the time limit. */
  complete: boolean;
  /** The shard that holds its steps. */
  file: string;
  /** The first of its rows there. */
  firstRow: number;
  /** Names the world it was played in, where the dataset records that: the same name is the same map. */
  world?: string;
}

export type SortKey = "order" | "return" | "length";

export interface EpisodeQuery {
  sort: SortKey;
  descending: boolean;
  completeOnly: boolean;
  truncatedOnly: boolean;
  /** The best share of those that meet the other conditions, by return: 0.1 is the best 10 %; 1 is all. */
  top: number;
}

export const EVERY_EPISODE: EpisodeQuery = {
  sort: "order",
  descending: false,
  completeOnly: false,
  truncatedOnly: false,
  top: 1,
};

/** The episodes that meet the conditions, in the order asked for; ties stay in the order of play. */
export function chooseEpisodes(episodes: readonly Episode[], query: EpisodeQuery): Episode[] {
  let chosen = episodes.filter(
    (each) => (!query.completeOnly || each.complete) && (!query.truncatedOnly || each.truncated),
  );
  chosen.sort(inOrderOfPlay);
  if (query.top < 1) {
    const best = [...chosen].sort((one, other) => other.return - one.return);
    const kept = new Set(best.slice(0, Math.ceil(query.top * chosen.length)));
    chosen = chosen.filter((each) => kept.has(each));
  }
  const sign = query.descending ? -1 : 1;
  const { sort } = query;
  if (sort === "order") return query.descending ? chosen.reverse() : chosen;
  return chosen.sort((one, other) => sign * (one[sort] - other[sort]));
}

/** Up to `most` episodes that have the map of one of them, which is among them, in the order of the list. */
export function sharingMap(episodes: readonly Episode[], of: Episode, most: number): Episode[] {
  const sharing = episodes.filter((each) => each === of || (each.world !== undefined && each.world === of.world));
  const first = Math.floor(sharing.indexOf(of) / most) * most;
  return sharing.slice(first, first + most);
}

function inOrderOfPlay(one: Episode, other: Episode): number {
  return one.checkpoint - other.checkpoint || one.episode - other.episode;
}
