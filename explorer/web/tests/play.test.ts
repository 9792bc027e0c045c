import { describe, expect, test } from "vitest";
import { Clock, nextSpeed } from "../src/play/clock";

describe("the clock", () => {
  test("shows each frame once at the display's own rate, though its ticks are uneven", () => {
    const clock = new Clock(0, 0, 60);
    const uneven = [2, -5, 6, 0, -7, 3, 5, -6];
    const due = Array.from({ length: 600 }, (_, tick) => clock.due((1000 * tick) / 60 + uneven[tick % uneven.length]));
    expect(due).toEqual([...due.keys()]);
  });

  test("keeps to its speed", () => {
    expect(new Clock(500, 40, 240).due(1500)).toBe(280);
    expect(new Clock(500, 40, 1).due(3500)).toBe(43);
  });
});

describe("the speeds", () => {
  test("go from 1 to 240 frames per second, and no further", () => {
    expect(nextSpeed(15, 1)).toBe(30);
    expect(nextSpeed(15, -1)).toBe(8);
    expect(nextSpeed(240, 1)).toBe(240);
    expect(nextSpeed(1, -1)).toBe(1);
  });
});
