import { describe, expect, test } from "vitest";
import { readManifest } from "../src/data/manifest";

const PLACE = { game: "pong", run: 1, checkpoint: 9 };
const MANIFEST = {
  format: 2,
  game: "Pong",
  partial: false,
  step_counts: { steps: 100, episodes: 2 },
  returns: { mean: 1.5, minimum: -1, maximum: 4 },
  shards: [{ path: "data/pong/run_1/checkpoint_09/steps-00000-of-00001.parquet", size: 1000, rows: 100, sha256: "" }],
  episodes_table: { path: "episodes/pong/run_1/checkpoint_09.parquet", size: 10, rows: 2 },
};
const read = (changes: object) => readManifest(JSON.stringify({ ...MANIFEST, ...changes }), PLACE);

describe("a manifest", () => {
  test("tells the files with their sizes, and the returns", () => {
    const manifest = read({});
    expect(manifest.shards[0]).toEqual({ path: MANIFEST.shards[0].path, size: 1000, rows: 100 });
    expect(manifest.returns).toEqual({ mean: 1.5, minimum: -1, maximum: 4 });
    expect([manifest.steps, manifest.episodes, manifest.partial]).toEqual([100, 2, false]);
  });

  test("of a checkpoint without a complete episode has no returns", () => {
    expect(read({ returns: { mean: null, minimum: null, maximum: null } }).returns.mean).toBeNull();
  });

  test.each([
    ["data/pong/run_1/checkpoint_08/steps-00000-of-00001.parquet"],
    ["data/pong/run_1/checkpoint_09/../../../../x.parquet"],
    ["https://example.org/steps-00000-of-00001.parquet"],
  ])("names no file of another place: %s", (path) => {
    expect(() => read({ shards: [{ path, size: 1, rows: 1 }] })).toThrow("names files of another place");
  });

  test.each([{ shards: 3 }, { step_counts: null }, { step_counts: { steps: "many", episodes: 1 } }, { episodes_table: {} }])(
    "that is damaged is told: %j",
    (changes) => {
      expect(() => read(changes)).toThrow("The manifest of pong/1/9 cannot be read");
    },
  );
});
