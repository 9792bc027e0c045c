import { describe, expect, test } from "vitest";
import { findKey, isForElement, KEYS } from "../src/keys";
import { complete, keptBy } from "../src/data/selection";
import { stickOf } from "../src/view/pad";
import { countsOf, lineOf, marksOf, rangeOf, shareBetween, sharesOf, ticksOf } from "../src/view/paths";

describe("the pad", () => {
  test.each([
    ["NOOP", { x: 0, y: 0, fires: false }],
    ["FIRE", { x: 0, y: 0, fires: true }],
    ["UPRIGHT", { x: 1, y: -1, fires: false }],
    ["DOWNLEFTFIRE", { x: -1, y: 1, fires: true }],
  ])("%s", (action, stick) => {
    expect(stickOf(action)).toEqual(stick);
  });
});

describe("plots", () => {
  test("mark each place once", () => {
    expect(marksOf([0, 1, 0, 0, 1], (value) => value > 0, 100)).toEqual([25, 100]);
    expect(marksOf(new Array(10_000).fill(1), () => true, 100)).toHaveLength(101);
  });

  test("have room for zero, and for a line that is flat", () => {
    expect(rangeOf([3, 5])).toEqual({ low: 0, high: 5 });
    expect(rangeOf([-3, -1])).toEqual({ low: -3, high: 0 });
    expect(rangeOf([0, 0])).toEqual({ low: 0, high: 1 });
  });

  test("keep peaks of many values", () => {
    const values = new Array<number>(20_000).fill(0);
    values[12_345] = 9;
    const line = lineOf(values, 600, 100);
    expect(line.split("L").length).toBeLessThan(1300);
    expect(line).toContain(`${((600 * 12_345) / 19_999).toFixed(1)} 0.0`);
  });

  test("show how often an action occurs along the way", () => {
    expect(sharesOf([0, 1, 1, 0], 1, 100, 10, 20)).toBe("M25.0 20v-10.0H50.0V20M50.0 20v-10.0H75.0V20");
    const values = Array.from({ length: 20_000 }, (_, step) => step % 4);
    expect(sharesOf(values, 3, 100, 10, 20).split("v-2.5")).toHaveLength(201);
  });

  test("count actions, those that never occur too", () => {
    expect(countsOf([0, 2, 2], 4)).toEqual([1, 0, 2, 0]);
  });

  test("have round ticks", () => {
    expect(ticksOf(-20.5, 20, 4)).toEqual([-20, 0, 20]);
    expect(ticksOf(0, 49, 6)).toEqual([0, 10, 20, 30, 40]);
  });

  test("have a single number in the middle of its axis, and no other beside it", () => {
    expect(ticksOf(9, 9, 6)).toEqual([9]);
    expect(shareBetween(9, 9, 9)).toBe(0.5);
    expect(shareBetween(0, 49, 49)).toBe(1);
  });
});

describe("keys", () => {
  const press = (key: string, more = {}) => findKey({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

  test("are one thing each", () => {
    const all = KEYS.flatMap((each) => each.keys);
    expect(new Set(all).size).toBe(all.length);
    expect(press("PageUp")?.does).toBe("ten frames on");
    expect(press("x")).toBeUndefined();
  });

  test("of the browser's own stay the browser's", () => {
    expect(press("s", { ctrlKey: true })).toBeUndefined();
    expect(press("ArrowLeft", { altKey: true })).toBeUndefined();
  });

  test("go to what has the focus where that needs them", () => {
    expect(isForElement(" ", { tagName: "BUTTON" })).toBe(true);
    expect(isForElement("ArrowLeft", { tagName: "BUTTON" })).toBe(false);
    expect(isForElement("ArrowLeft", { tagName: "SELECT" })).toBe(true);
    expect(isForElement("ArrowLeft", { tagName: "INPUT", type: "range" })).toBe(false);
    expect(isForElement("m", { tagName: "INPUT", type: "text" })).toBe(true);
  });
});

describe("another selection", () => {
  const present = { game: "pong", run: 2, checkpoint: 9, episode: 4, step: 100 };

  test.each([
    [{ game: "breakout" }, { checkpoint: 9 }],
    [{ run: 1 }, { game: "pong", checkpoint: 9 }],
    [{ checkpoint: 3 }, { game: "pong", run: 2 }],
    [{ episode: 5 }, { game: "pong", run: 2, checkpoint: 9 }],
  ])("by %j keeps what lies above", (wish, kept) => {
    expect(keptBy(wish, present)).toEqual(kept);
  });
});

describe("what an address leaves open", () => {
  const games = [
    { slug: "pong", name: "Pong", qualities: { expert: new Map([[1, 3]]) }, runs: [{ number: 1, checkpoints: [0, 3, 4] }] },
  ];

  test("is the first game and run, the expert's checkpoint and its first episode", () => {
    expect(complete(games, {})).toEqual({ game: "pong", run: 1, checkpoint: 3, episode: 0, step: 0 });
  });

  test("may be little", () => {
    const all = { game: "pong", run: 1, checkpoint: 4, episode: 2, step: 7 };
    expect(complete(games, all)).toEqual(all);
  });

  test.each([
    [{ game: "chess" }, "has no game “chess”; it has pong"],
    [{ run: 4 }, "has no run 4 here; it has 1"],
    [{ checkpoint: 2, episode: 0 }, "has no checkpoint 2 here"],
  ])("may ask for what is not there: %j", (wish, message) => {
    expect(() => complete(games, wish)).toThrow(message);
  });
});
