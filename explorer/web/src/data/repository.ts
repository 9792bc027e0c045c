/** A dataset that is being looked at: its catalog, and manifests and tables once they are asked for. */

import { frontMatter, readCatalog, type Catalog } from "./catalog";
import { chooseEpisodes, EVERY_EPISODE, type Episode } from "./episodes";
import { ExplorerError } from "./errors";
import { HttpError, readRange, readText, request } from "./http";
import { keyOf, manifestFile, manifestFileOfFormat2, type Place } from "./layout";
import { readManifest, type Manifest, type ParquetRecord } from "./manifest";
import type { Origin } from "./origin";
import type { Shards } from "../frames/shards";
import type { TableFile, Trail } from "../frames/protocol";

/** The YAML of a few games; of the whole collection it is twice this. */
const CARD_BYTES = 2 ** 18;
const MOST_CARD_BYTES = 2 ** 24;
/** Manifests that are asked for at once. */
const AT_ONCE = 6;

export class Repository {
  private readonly manifests = new Map<string, Promise<Manifest>>();
  private readonly tables = new Map<string, Promise<Episode[]>>();

  private constructor(
    readonly origin: Origin,
    readonly catalog: Catalog,
    readonly shards: Shards,
  ) {}

  /** Open a dataset by its card. */
  static async open(origin: Origin, shards: Shards): Promise<Repository> {
    const { yaml, commit } = await readCard(origin);
    return new Repository(commit ? origin.at(commit) : origin, readCatalog(yaml), shards);
  }

  /** The manifest of a checkpoint. */
  manifest(place: Place): Promise<Manifest> {
    return remember(this.manifests, keyOf(place), async () =>
      readManifest(await this.readManifestText(place), place),
    );
  }

  /** The manifests of many checkpoints, one after another as they come; those that fail are left out. */
  async *manifestsOf(places: readonly Place[]): AsyncGenerator<Manifest> {
    const waiting = places.map((place) => () => this.manifest(place).catch(() => undefined));
    const running: Promise<Manifest | undefined>[] = [];
    for (const start of waiting) {
      running.push(start());
      if (running.length < AT_ONCE) continue;
      const manifest = await running.shift();
      if (manifest) yield manifest;
    }
    for (const last of running) {
      const manifest = await last;
      if (manifest) yield manifest;
    }
  }

  /** The episodes of a checkpoint, in order of play. */
  episodes(place: Place): Promise<Episode[]> {
    return remember(this.tables, keyOf(place), async () => {
      const manifest = await this.manifest(place);
      const rows = await this.shards.episodes(this.table(manifest.episodesTable));
      return chooseEpisodes(rows, EVERY_EPISODE);
    });
  }

  /** The shard that holds an episode's steps. */
  async shardOf(place: Place, episode: Episode): Promise<TableFile> {
    const { shards } = await this.manifest(place);
    const shard = shards.find((each) => each.path === episode.file);
    if (!shard) throw new ExplorerError(`${episode.file}: the manifest of ${keyOf(place)} names no such shard.`);
    return this.table(shard);
  }

  /** Where the player is at each step of an episode. */
  async trail(place: Place, episode: Episode): Promise<Trail> {
    return this.shards.trail(await this.shardOf(place, episode), episode.firstRow, episode.length);
  }

  /** The picture of an episode's world, a PNG; undefined where the dataset has none. */
  async map(place: Place, episode: Episode): Promise<Uint8Array | undefined> {
    const { episodesTable } = await this.manifest(place);
    return this.shards.map(this.table(episodesTable), episode.episode);
  }

  /** All shards of a checkpoint. */
  async shardsOf(place: Place): Promise<TableFile[]> {
    return (await this.manifest(place)).shards.filter((shard) => shard.rows > 0).map((shard) => this.table(shard));
  }

  private async readManifestText(place: Place): Promise<string> {
    try {
      return await readText(this.origin.file(manifestFile(place)));
    } catch (error) {
      if (!(error instanceof HttpError && error.status === 404)) throw error;
      return await readText(this.origin.file(manifestFileOfFormat2(place)));
    }
  }

  private table({ path, size, rows }: ParquetRecord): TableFile {
    return { ...this.origin.file(path), path, size, rows };
  }
}

async function readCard(origin: Origin): Promise<{ yaml: string; commit?: string }> {
  const file = origin.file("README.md");
  try {
    const response = await request(file, { Range: `bytes=0-${CARD_BYTES - 1}` });
    const commit = response.headers.get("X-Repo-Commit") ?? undefined;
    let bytes = new Uint8Array(await response.arrayBuffer());
    for (let more = CARD_BYTES; ; more *= 2) {
      const yaml = frontMatter(new TextDecoder().decode(bytes));
      if (yaml !== undefined) return { yaml, commit };
      const rest = new Uint8Array(await readRange(file, bytes.length, bytes.length + more));
      if (rest.length === 0 || bytes.length > MOST_CARD_BYTES) return { yaml: "", commit };
      bytes = concatenate(bytes, rest);
    }
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) {
      throw new ExplorerError(`There is no dataset at ${origin.name}: it has no README.md (404).`);
    }
    if (error instanceof HttpError && error.status === 416) return { yaml: "" };
    throw error;
  }
}

function concatenate(one: Uint8Array<ArrayBuffer>, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** What was once asked for is not asked for again, unless it failed. */
function remember<Value>(
  known: Map<string, Promise<Value>>,
  key: string,
  find: () => Promise<Value>,
): Promise<Value> {
  const before = known.get(key);
  if (before) return before;
  const value = find();
  known.set(key, value);
  value.catch(() => known.delete(key));
  return value;
}
