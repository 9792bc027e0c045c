/** What the page shows and does, without a page: its views listen to it. */

import { formatAddress, parseAddress, type Address, type Selection } from "./data/address";
import { nextDataset, type Game, type Run } from "./data/catalog";
import type { EpisodeQuery } from "./data/episodes";
import { ExplorerError, messageOf } from "./data/errors";
import type { Place } from "./data/layout";
import { findOrigin, type Settings } from "./data/origin";
import { Repository } from "./data/repository";
import { complete, keptBy } from "./data/selection";
import { EpisodeList, type Span } from "./episode_list";
import { FrameCache } from "./frames/frame_cache";
import type { Shards } from "./frames/shards";
import { nextSpeed } from "./play/clock";
import { Playback } from "./play/playback";

export type Status = "choosing" | "opening" | "open";

/** One of the episodes that are shown. */
export interface Pane {
  selection: Selection;
  playback?: Playback;
  problem: string;
}

const START_SPEED = 15;

export class Explorer {
  status: Status = "choosing";
  problem = "";
  repository?: Repository;
  panes: Pane[] = [];
  active = 0;
  readonly list = new EpisodeList(() => this.tell());
  speed = START_SPEED;
  showsStack = false;
  /** Pasted by the user; known to this tab until it is closed or loaded anew. */
  token?: string;
  private address: Address = { selection: {} };
  private readonly cache: FrameCache;
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly settings: Settings,
    private readonly shards: Shards,
    private readonly history: { write(query: string, isNew: boolean): void },
  ) {
    this.cache = new FrameCache(shards);
  }

  /** Call `listener` whenever something changes; returns how to stop that. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get pane(): Pane | undefined {
    return this.panes[this.active];
  }

  get game(): Game | undefined {
    return this.repository?.catalog.games.find((game) => game.slug === this.pane?.selection.game);
  }

  get run(): Run | undefined {
    return this.game?.runs.find((run) => run.number === this.pane?.selection.run);
  }

  /** The name of the dataset that the address asks for. */
  get wanted(): string {
    return this.address.dataset ?? this.settings.name ?? this.settings.dataset ?? "";
  }

  /** Show what an address asks for. */
  async open(search: string): Promise<void> {
    const before = this.address;
    this.address = parseAddress(search);
    const { dataset, revision, selection, beside } = this.address;
    const isSame = before.dataset === dataset && before.revision === revision;
    if (!this.repository || !isSame) {
      if (!(await this.openRepository())) return;
    }
    await Promise.all([this.show(0, selection), beside ? this.show(1, beside) : this.closeBeside()]);
  }

  /** Open another dataset. */
  async choose(dataset: string, revision: string, token: string): Promise<void> {
    this.token = token || undefined;
    this.repository = undefined;
    const query = formatAddress({ dataset: dataset || undefined, revision: revision || undefined, selection: {} });
    await this.open(query);
    if (this.repository) this.writeAddress(true);
  }

  /** Go back to where a dataset is chosen. */
  leave(): void {
    this.closePanes();
    this.repository = undefined;
    this.status = "choosing";
    this.tell();
  }

  /** Show another episode, or another step of this one, in the active pane. */
  async select(wish: Partial<Selection>): Promise<void> {
    const showing = this.show(this.active, { ...keptBy(wish, this.pane?.selection), ...wish });
    this.writeAddress(true);
    await showing;
  }

  /** Show the next episode of the list, or the one before. */
  async stepEpisode(direction: 1 | -1): Promise<void> {
    const current = this.pane?.selection;
    if (!current || !this.run) return;
    const place = this.list.placeOf(current);
    const next = this.list.episodes[place < 0 ? 0 : place + direction];
    if (next) {
      await this.select({ checkpoint: next.checkpoint, episode: next.episode });
      return;
    }
    // Beyond the list's end lies the next checkpoint.
    const { checkpoints } = this.run;
    const checkpoint = checkpoints[checkpoints.indexOf(current.checkpoint) + direction];
    if (this.list.span || checkpoint === undefined) return;
    const episodes = await this.repository?.episodes({ ...current, checkpoint }).catch(() => []);
    if (!episodes?.length) return;
    await this.select({ checkpoint, episode: direction > 0 ? 0 : episodes[episodes.length - 1].episode });
  }

  /** Show the next run, or the next game's first. */
  async nextDataset(): Promise<void> {
    const current = this.pane?.selection;
    if (!current || !this.repository) return;
    const { game, run } = nextDataset(this.repository.catalog.games, current.game, current.run);
    await this.select({ game: game.slug, run: run.number });
  }

  /** Show a second episode beside the first, at first the same one; or only one again. */
  async toggleBeside(): Promise<void> {
    let showing: Promise<void> | undefined;
    if (this.panes.length > 1) {
      this.closeBeside();
    } else if (this.pane) {
      this.active = 1;
      showing = this.show(1, { ...this.panes[0].selection, step: this.panes[0].playback?.step ?? 0 });
    }
    this.writeAddress(true);
    this.tell();
    await showing;
  }

  /** Let keys and the list work on this pane. */
  activate(index: number): void {
    if (index === this.active || !this.panes[index]) return;
    this.active = index;
    void this.refreshList();
    this.tell();
  }

  /** Play or stop every pane. */
  togglePlay(): void {
    const isPlaying = this.panes.some((pane) => pane.playback?.isPlaying);
    for (const { playback } of this.panes) {
      if (isPlaying) playback?.pause();
      else playback?.play();
    }
    this.writeAddress(false);
  }

  /** Move by some steps in the active pane, and stop there. */
  move(steps: number): void {
    const playback = this.pane?.playback;
    playback?.pause();
    playback?.seek(playback.step + steps);
    this.writeAddress(false);
  }

  /** Go to a step of the active pane. */
  seek(step: number): void {
    this.pane?.playback?.seek(step);
    this.writeAddress(false);
  }

  changeSpeed(direction: 1 | -1): void {
    this.setSpeed(nextSpeed(this.speed, direction));
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    for (const { playback } of this.panes) if (playback) playback.speed = speed;
    this.tell();
  }

  toggleStack(): void {
    this.showsStack = !this.showsStack;
    this.tell();
  }

  /** List other episodes. */
  async listOthers(query: Partial<EpisodeQuery>, span: Span = this.list.span): Promise<void> {
    this.list.query = { ...this.list.query, ...query };
    this.list.span = span;
    await this.refreshList();
  }

  /** The query of an address that comes back to what is shown, to the commit. */
  link(): string {
    return formatAddress({ ...this.currentAddress(), revision: this.repository?.origin.repo?.revision ?? this.address.revision });
  }

  private async openRepository(): Promise<boolean> {
    this.closePanes();
    this.repository = undefined;
    this.problem = "";
    try {
      const origin = findOrigin(this.settings, this.address.dataset, this.address.revision, this.token);
      if (!origin) {
        this.status = "choosing";
        return false;
      }
      this.status = "opening";
      this.tell();
      this.repository = await Repository.open(origin, this.shards);
      this.status = "open";
      return true;
    } catch (error) {
      this.status = "choosing";
      this.problem = messageOf(error);
      return false;
    } finally {
      this.tell();
    }
  }

  private async show(index: number, wish: Partial<Selection>): Promise<void> {
    const repository = this.repository;
    if (!repository) return;
    const before = this.panes[index];
    before?.playback?.close();
    let pane: Pane = { selection: { game: "", run: 0, checkpoint: 0, episode: 0, step: 0 }, problem: "" };
    try {
      pane = { selection: complete(repository.catalog.games, wish), problem: "" };
      this.panes[index] = pane;
      this.tell();
      void this.refreshList();
      const playback = await this.load(repository, pane.selection);
      if (this.panes[index] !== pane) return;
      pane.playback = playback;
    } catch (error) {
      if (this.panes[index] !== before && this.panes[index] !== pane) return;
      this.panes[index] = pane;
      pane.problem = messageOf(error);
    }
    this.tell();
  }

  private async load(repository: Repository, selection: Selection): Promise<Playback> {
    const place: Place = selection;
    const episodes = await repository.episodes(place);
    if (episodes.length === 0) throw new ExplorerError("No episode began in this checkpoint.");
    const episode = episodes.find((each) => each.episode === selection.episode);
    if (!episode) {
      throw new ExplorerError(
        `There is no episode ${selection.episode} in this checkpoint; it has ${episodes.length}, from ${episodes[0].episode} on.`,
      );
    }
    const file = await repository.shardOf(place, episode);
    const steps = await this.shards.steps(file, episode.firstRow, episode.length);
    const map = "player_x" in steps.state ? repository.map(place, episode) : undefined;
    map?.catch(() => undefined); // the view reports it
    return new Playback({ place: { ...place }, episode, file, steps, map }, this.cache, selection.step, this.speed);
  }

  private async refreshList(): Promise<void> {
    const { repository, run, pane } = this;
    if (repository && run && pane) await this.list.refresh(repository, pane.selection, run);
  }

  private closeBeside(): void {
    this.panes[1]?.playback?.close();
    this.panes.length = Math.min(this.panes.length, 1);
    this.active = 0;
  }

  private closePanes(): void {
    for (const { playback } of this.panes) playback?.close();
    this.panes = [];
    this.active = 0;
    this.list.clear();
  }

  private currentAddress(): Address {
    const [selection, beside] = this.panes.map((pane) => ({
      ...pane.selection,
      step: pane.playback?.step ?? pane.selection.step,
    }));
    return { ...this.address, selection: selection ?? {}, beside };
  }

  private writeAddress(isNew: boolean): void {
    this.history.write(formatAddress(this.currentAddress()), isNew);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
