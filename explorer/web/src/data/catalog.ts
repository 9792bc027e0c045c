/** What a dataset holds, as the YAML at the top of its card says. */

import { load } from "js-yaml";
import { ExplorerError } from "./errors";

/** One of a game's agents. */
export interface Run {
  number: number;
  /** Ascending. */
  checkpoints: number[];
}

export interface Game {
  /** The name in paths: `ms-pacman`. */
  slug: string;
  /** The name for people: `Ms Pacman`. */
  name: string;
  runs: Run[];
  /** For each of `mixed`, `medium` and `expert`, the checkpoint that it shows of each run. */
  qualities: Record<string, Map<number, number>>;
}

export interface Catalog {
  title: string;
  games: Game[];
}

const STEPS_PATH = /^data\/([a-z0-9-]+)\/run_(\d{1,4})\/checkpoint_([^/]+)\/\*\.parquet$/;
const QUALITIES = ["mixed", "medium", "expert"];

/** The YAML between the first two lines `---` of a card; undefined while the end has not been read. */
export function frontMatter(card: string): string | undefined {
  const text = card.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  if (!text.startsWith("---\n")) return "";
  const end = /\n---[ \t]*(?:\n|$)/.exec(text.slice(3));
  return end ? text.slice(4, 3 + end.index + 1) : undefined;
}

/**
 * Read the games, runs and checkpoints from a card's YAML.
 *
 * Its configs name files by globs that match the published checkpoints and no others.
 */
export function readCatalog(yaml: string): Catalog {
  const card = parse(yaml);
  const games = new Map<string, Game>();
  for (const { name, files } of configsOf(card)) {
    const dash = name.lastIndexOf("-");
    const view = name.slice(dash + 1);
    if (view !== "full" && !QUALITIES.includes(view)) continue;
    for (const path of files) addPath(games, path, name.slice(0, dash), view);
  }
  const found = [...games.values()].filter((game) => game.runs.length > 0);
  if (found.length === 0) {
    throw new ExplorerError(
      "The card of this dataset names no step files in the layout that atari-dqn-replay writes " +
        "(configs such as pong-full over data/pong/run_1/…).",
    );
  }
  found.sort((one, other) => (one.slug < other.slug ? -1 : 1));
  for (const game of found) game.runs.sort((one, other) => one.number - other.number);
  const title = typeof card.pretty_name === "string" ? card.pretty_name : "";
  return { title, games: found };
}

/** The numbers from 0 to 99 whose two digits a glob such as `0[0-46]` matches, ascending. */
export function numbersOf(glob: string): number[] {
  if (!/^(?:\d|\[[\d-]+\]|\?|\*){1,2}$/.test(glob)) return [];
  const pattern = new RegExp(`^${glob.replaceAll("?", "\\d").replaceAll("*", "\\d*")}$`);
  return Array.from({ length: 100 }, (_, number) => number).filter((number) =>
    pattern.test(String(number).padStart(2, "0")),
  );
}

/** The next checkpoint's place in a list of all games, runs and checkpoints: the first of the next run. */
export function nextDataset(games: Game[], slug: string, run: number): { game: Game; run: Run } {
  const all = games.flatMap((game) => game.runs.map((each) => ({ game, run: each })));
  const place = all.findIndex((each) => each.game.slug === slug && each.run.number === run);
  return all[(place + 1) % all.length];
}

type Yaml = Record<string, unknown>;

function parse(yaml: string): Yaml {
  // The features of all configs take most of a large card and are not needed here.
  const small = yaml.replace(/^dataset_info:[ \t]*\n(?:(?:[ \t-].*)?\n)*/m, "");
  for (const text of [small, yaml]) {
    try {
      const card = load(text);
      if (card && typeof card === "object" && "configs" in card) return card as Yaml;
    } catch {
      continue;
    }
  }
  throw new ExplorerError("The README.md of this dataset begins with no YAML that lists configs.");
}

function configsOf(card: Yaml): { name: string; files: string[] }[] {
  if (!Array.isArray(card.configs)) return [];
  return card.configs
    .filter((config: Yaml) => typeof config?.config_name === "string")
    .map((config: Yaml) => {
      const dataFiles = Array.isArray(config.data_files) ? config.data_files : [];
      const files = dataFiles.flatMap((entry: Yaml) => entry?.path as string | string[]);
      const folder = typeof config.data_dir === "string" ? `${config.data_dir}/` : "";
      return {
        name: config.config_name as string,
        files: files.filter((path) => typeof path === "string").map((path) => folder + path),
      };
    });
}

function addPath(games: Map<string, Game>, path: string, slug: string, view: string): void {
  const match = STEPS_PATH.exec(path);
  if (!match || match[1] !== slug) return;
  const run = Number(match[2]);
  const numbers = numbersOf(match[3]);
  if (numbers.length === 0) return;
  const game = games.get(slug) ?? { slug, name: nameOf(slug), runs: [], qualities: {} };
  games.set(slug, game);
  if (view !== "full") {
    (game.qualities[view] ??= new Map()).set(run, numbers[numbers.length - 1]);
    return;
  }
  const known = game.runs.find((each) => each.number === run);
  if (known) known.checkpoints = [...new Set([...known.checkpoints, ...numbers])].sort((a, b) => a - b);
  else game.runs.push({ number: run, checkpoints: numbers });
}

function nameOf(slug: string): string {
  return slug.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => (dash && " ") + letter.toUpperCase());
}
