import { describe, expect, test } from "vitest";
import { amountsOf, coverageOf, middleOf, overlapOf, seenFields, visitsOf } from "../src/play/trail";

describe("a player's trail", () => {
  test("counts the visits of each field", () => {
    const { visits, most } = visitsOf(Int32Array.of(32, 33, 33, 32), Int32Array.of(32, 32, 32, 31));
    expect([...visits]).toEqual([
      [32 * 64 + 32, 1],
      [32 * 64 + 33, 2],
      [31 * 64 + 32, 1],
    ]);
    expect(most).toBe(2);
  });

  test("lies on the map's picture, which begins with the second row of fields", () => {
    expect(middleOf({ x: 0, y: 1 })).toEqual({ x: 8, y: 8 });
    expect(middleOf({ x: 63, y: 63 })).toEqual({ x: 1016, y: 1000 });
  });
});

test("amounts are named for people, and what the player has none of is left out", () => {
  const state = { inventory_wood_pickaxe: Int32Array.of(0, 1), inventory_sapling: Int32Array.of(0, 0), player_x: Int32Array.of(3, 4) };
  expect(amountsOf(state, "inventory", 1)).toEqual([["wood pickaxe", 1]]);
  expect(amountsOf(state, "inventory", 0)).toEqual([]);
});

describe("what players saw", () => {
  const trail = (...fields: [number, number][]) => ({
    x: Int32Array.from(fields, ([x]) => x),
    y: Int32Array.from(fields, ([, y]) => y),
  });

  test("is the fields up to four columns and three rows from where they were, within the map", () => {
    const inside = seenFields(trail([10, 10]));
    expect(inside.reduce((sum, saw) => sum + saw)).toBe(9 * 7);
    expect([7 * 64 + 6, 13 * 64 + 14, 7 * 64 + 5, 14 * 64 + 14].map((field) => inside[field])).toEqual([1, 1, 0, 0]);
    expect(seenFields(trail([0, 63])).reduce((sum, saw) => sum + saw)).toBe(5 * 4);
  });

  test("is shared as far as both saw it, and covers what either saw", () => {
    const still = seenFields(trail([10, 10]));
    const moved = seenFields(trail([10, 10], [19, 10]));
    const elsewhere = seenFields(trail([40, 40]));
    expect([overlapOf(still, still), overlapOf(still, moved), overlapOf(still, elsewhere)]).toEqual([1, 0.5, 0]);
    expect(coverageOf([still, moved, elsewhere])).toBe((3 * 9 * 7) / 64 ** 2);
  });
});
