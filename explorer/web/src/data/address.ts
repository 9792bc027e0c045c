/** What the page shows, as its address says it: so that a link comes back to the same step. */

/** An episode's step. */
export interface Selection {
  game: string;
  run: number;
  checkpoint: number;
  episode: number;
  step: number;
}

export interface Address {
  /** `user/name` on the Hub, or the URL of a folder on a web server; absent for the page's own dataset. */
  dataset?: string;
  /** A branch, tag or commit of a dataset on the Hub. */
  revision?: string;
  /** What is selected; the parts that are absent are for the page to choose. */
  selection: Partial<Selection>;
  /** A second episode beside the first. */
  beside?: Selection;
}

const SLUG = /^[a-z0-9-]{1,64}$/;
const BESIDE = /^([a-z0-9-]{1,64})\.(\d{1,5})\.(\d{1,5})\.(\d{1,9})\.(\d{1,9})$/;

/** Read an address; what is no such value counts as absent. */
export function parseAddress(search: string): Address {
  const query = new URLSearchParams(search);
  const address: Address = { selection: {} };
  const dataset = query.get("dataset")?.trim();
  if (dataset) address.dataset = dataset;
  const revision = query.get("revision")?.trim();
  if (revision) address.revision = revision;
  const game = query.get("game");
  if (game && SLUG.test(game)) address.selection.game = game;
  for (const name of ["run", "checkpoint", "episode", "step"] as const) {
    const value = query.get(name);
    if (value && /^\d{1,9}$/.test(value)) address.selection[name] = Number(value);
  }
  const beside = BESIDE.exec(query.get("beside") ?? "");
  if (beside) {
    const [run, checkpoint, episode, step] = beside.slice(2).map(Number);
    address.beside = { game: beside[1], run, checkpoint, episode, step };
  }
  return address;
}

/** Write an address: the query of a URL, with its `?`. */
export function formatAddress({ dataset, revision, selection, beside }: Address): string {
  const query = new URLSearchParams();
  if (dataset) query.set("dataset", dataset);
  if (revision) query.set("revision", revision);
  for (const name of ["game", "run", "checkpoint", "episode", "step"] as const) {
    if (selection[name] !== undefined) query.set(name, String(selection[name]));
  }
  if (beside) {
    query.set("beside", [beside.game, beside.run, beside.checkpoint, beside.episode, beside.step].join("."));
  }
  // A dataset's name reads better with its slash, which a query may hold as it is.
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
  return text && `?${text}`;
}
