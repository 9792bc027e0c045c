import { describe, expect, test } from "vitest";
import { chooseEpisodes, EVERY_EPISODE, sharingMap, type Episode } from "../src/data/episodes";

const episode = (checkpoint: number, number: number, rest: Partial<Episode>): Episode => ({
  checkpoint,
  episode: number,
  length: 100,
  return: 0,
  terminated: true,
  truncated: false,
  complete: true,
  file: "",
  firstRow: 0,
  ...rest,
});

const EPISODES = [
  episode(1, 0, { return: 3, length: 50 }),
  episode(0, 1, { return: -2 }),
  episode(0, 0, { return: 3, complete: false, terminated: false }),
  episode(1, 1, { return: 7, length: 27_000, terminated: false, truncated: true }),
];
const names = (episodes: Episode[]) => episodes.map((each) => `${each.checkpoint}/${each.episode}`).join(" ");
const choose = (query: Partial<typeof EVERY_EPISODE>) => names(chooseEpisodes(EPISODES, { ...EVERY_EPISODE, ...query }));

describe("episodes", () => {
  test("come in order of play", () => {
    expect(choose({})).toBe("0/0 0/1 1/0 1/1");
    expect(choose({ descending: true })).toBe("1/1 1/0 0/1 0/0");
  });

  test("sort by return and by length, equal ones in order of play", () => {
    expect(choose({ sort: "return" })).toBe("0/1 0/0 1/0 1/1");
    expect(choose({ sort: "return", descending: true })).toBe("1/1 0/0 1/0 0/1");
    expect(choose({ sort: "length", descending: true })).toBe("1/1 0/0 0/1 1/0");
  });

  test("can be only the complete or the truncated ones", () => {
    expect(choose({ completeOnly: true })).toBe("0/1 1/0 1/1");
    expect(choose({ truncatedOnly: true })).toBe("1/1");
  });

  test("can be the best share of those that are left, in any order", () => {
    expect(choose({ top: 0.5 })).toBe("0/0 1/1");
    expect(choose({ top: 0.01 })).toBe("1/1");
    expect(choose({ top: 0.5, completeOnly: true, sort: "length" })).toBe("1/0 1/1");
  });
});

describe("episodes that share a map", () => {
  const played = Array.from({ length: 10 }, (_, number) => episode(1, number, { world: `7 ${number % 2}` }));
  const shown = (number: number) => names(sharingMap(played, played[number], 2));

  test("are shown a few at a time, with the one that is watched", () => {
    expect([shown(0), shown(2), shown(4), shown(8)]).toEqual(["1/0 1/2", "1/0 1/2", "1/4 1/6", "1/8"]);
    expect(shown(1)).toBe("1/1 1/3");
  });

  test("are none but the episode itself where no world is recorded", () => {
    expect(names(sharingMap(EPISODES, EPISODES[1], 8))).toBe("0/1");
  });
});
