import { describe, expect, test } from "vitest";
import { amountsOf, middleOf, visitsOf } from "../src/play/trail";

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
