import { describe, expect, test } from "vitest";
import { frontMatter, nextDataset, numbersOf, readCatalog } from "../src/data/catalog";

const CARD = `---
pretty_name: Newly played Atari replay logs
configs:
- config_name: ms-pacman-full
  data_files:
  - split: run_1
    path: data/ms-pacman/run_1/checkpoint_0[0-2]/*.parquet
- config_name: pong-mixed
  data_files:
  - split: run_1
    path: data/pong/run_1/checkpoint_00/*.parquet
- config_name: pong-expert
  data_files:
  - split: run_2
    path: data/pong/run_2/checkpoint_14/*.parquet
- config_name: pong-full
  data_dir: data/pong
  data_files: &configs-001
  - split: run_2
    path:
    - run_2/checkpoint_0[0-9]/*.parquet
    - run_2/checkpoint_1[0-14]/*.parquet
  - split: run_1
    path: run_1/checkpoint_0[0-46]/*.parquet
- config_name: seaquest-full
  data_dir: data/seaquest
  data_files: *configs-001
- config_name: pong-episodes
  data_files:
  - split: run_1
    path: episodes/pong/run_1/checkpoint_0[0-46].parquet
dataset_info:
- config_name: pong-full
  features:
  - name: observation
    dtype: image
---
# A card
`;

describe("the catalog of a card", () => {
  const catalog = readCatalog(frontMatter(CARD)!);

  test("lists games, runs and checkpoints in order", () => {
    expect(catalog.title).toBe("Newly played Atari replay logs");
    expect(catalog.games.map((game) => [game.slug, game.name])).toEqual([
      ["ms-pacman", "Ms Pacman"],
      ["pong", "Pong"],
      ["seaquest", "Seaquest"],
    ]);
    expect(catalog.games[1].runs).toEqual([
      { number: 1, checkpoints: [0, 1, 2, 3, 4, 6] },
      { number: 2, checkpoints: [...Array(10).keys(), 10, 11, 14] },
    ]);
  });

  test("knows which checkpoint a quality shows of each run", () => {
    expect(catalog.games[1].qualities.mixed.get(1)).toBe(0);
    expect(catalog.games[1].qualities.expert.get(2)).toBe(14);
    expect(catalog.games[1].qualities.expert.get(1)).toBeUndefined();
  });

  test("goes from run to run, and from game to game", () => {
    const steps = [nextDataset(catalog.games, "ms-pacman", 1), nextDataset(catalog.games, "pong", 1), nextDataset(catalog.games, "pong", 2)];
    expect(steps.map(({ game, run }) => `${game.slug} ${run.number}`)).toEqual(["pong 1", "pong 2", "seaquest 1"]);
  });

  test("ignores what a person has added to the card", () => {
    const edited = CARD.replace("configs:\n", "configs:\n- config_name: mine\n  data_files: other/*.csv\n- 3\n");
    expect(readCatalog(frontMatter(edited)!).games).toHaveLength(3);
  });

  test.each([
    ["", "begins with no YAML"],
    ["a: [", "begins with no YAML"],
    ["configs: []", "names no step files"],
    ["configs:\n- config_name: pong-full\n  data_files: [{path: data/../run_1/checkpoint_00/*.parquet}]", "names no step files"],
  ])("says what is wrong with %j", (yaml, message) => {
    expect(() => readCatalog(yaml)).toThrow(message);
  });
});

describe("the front matter", () => {
  test("is unknown until its end has been read", () => {
    expect(frontMatter(CARD.slice(0, 300))).toBeUndefined();
    expect(frontMatter("# A README without YAML")).toBe("");
  });

  test("may have Windows' line ends and a byte order mark", () => {
    expect(frontMatter("\uFEFF---\r\na: 1\r\n---\r\ntext")).toBe("a: 1\n");
  });
});

describe("a glob of two digits", () => {
  test.each([
    ["00", [0]],
    ["1[0-14]", [10, 11, 14]],
    ["[0-1][79]", [7, 9, 17, 19]],
    ["4?", [40, 41, 42, 43, 44, 45, 46, 47, 48, 49]],
    ["(a+)+", []],
    ["../0", []],
  ])("%s", (glob, numbers) => {
    expect(numbersOf(glob)).toEqual(numbers);
  });
});
