import { describe, expect, test } from "vitest";
import { formatAddress, parseAddress } from "../src/data/address";

describe("an address", () => {
  test("names dataset, revision, game, run, checkpoint, episode and step, and reads as it was written", () => {
    const address = {
      dataset: "me/atari-dqn-replay",
      revision: "main",
      selection: { game: "ms-pacman", run: 2, checkpoint: 9, episode: 31, step: 1200 },
      beside: { game: "pong", run: 1, checkpoint: 0, episode: 0, step: 5 },
    };
    const query = formatAddress(address);
    expect(query).toBe(
      "?dataset=me/atari-dqn-replay&revision=main&game=ms-pacman&run=2&checkpoint=9&episode=31&step=1200&beside=pong.1.0.0.5",
    );
    expect(parseAddress(query)).toEqual(address);
  });

  test("may leave everything open", () => {
    expect(parseAddress("")).toEqual({ selection: {} });
    expect(formatAddress({ selection: {} })).toBe("");
  });

  test("keeps a dataset's URL whole, whatever is in it", () => {
    const dataset = "https://example.org/a b/ü?x=1&y=#z";
    expect(parseAddress(formatAddress({ dataset, selection: {} })).dataset).toBe(dataset);
  });

  test.each(["?game=<b>", "?run=-1", "?run=one", "?step=1e9", "?episode=1234567890123", "?beside=pong.1", "?game=../x"])(
    "takes %s for nothing said",
    (query) => {
      expect(parseAddress(query)).toEqual({ selection: {} });
    },
  );
});
