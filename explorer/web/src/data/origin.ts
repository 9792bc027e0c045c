/** Where a dataset lies: beside this page, on a web server, or on the Hub. */

import { ExplorerError } from "./errors";
import { request, type RemoteFile } from "./http";

/** What a page is told by the `explorer.json` beside it. */
export interface Settings {
  /** Shown if the address names none: `user/name`, or a URL or path relative to the page. */
  dataset?: string;
  /** Its name for people. */
  name?: string;
  /** The Hub's address. */
  hub: string;
}

const HUB = "https://huggingface.co";
const REPO = /^[\w.-]{1,96}\/[\w.-]{1,96}$/;

/** A dataset's address, with what it takes to read from it. */
export class Origin {
  constructor(
    /** Its name for people. */
    readonly name: string,
    /** Where its files lie; ends with a slash. */
    readonly base: string,
    /** Its own page, if it has one. */
    readonly page?: string,
    readonly token?: string,
    /** Of a dataset on the Hub. */
    readonly repo?: { hub: string; id: string; revision: string },
  ) {}

  file(path: string): RemoteFile {
    return { url: this.base + path.split("/").map(encodeURIComponent).join("/"), token: this.token };
  }

  /** The same dataset as it is at this commit, so that what is read belongs together. */
  at(commit: string): Origin {
    if (!this.repo || !/^[0-9a-f]{40}$/.test(commit)) return this;
    return ofRepo(this.repo.hub, this.repo.id, commit, this.token);
  }
}

/** Read the settings of this page; a page without any is one for datasets that the address names. */
export async function readSettings(): Promise<Settings> {
  try {
    const response = await request({ url: new URL("explorer.json", document.baseURI).href }, {});
    const json = (await response.json()) as Partial<Settings>;
    return { ...json, hub: (json.hub ?? HUB).replace(/\/+$/, "") };
  } catch {
    return { hub: HUB };
  }
}

/** Find a dataset by its name in the address, or the page's own. */
export function findOrigin(
  settings: Settings,
  dataset: string | undefined,
  revision?: string,
  token?: string,
): Origin | undefined {
  const wanted = dataset ?? settings.dataset;
  if (!wanted) return undefined;
  if (REPO.test(wanted)) return ofRepo(settings.hub, wanted, revision ?? "main", token);
  if (dataset === undefined) return ofFolder(new URL(wanted, document.baseURI), settings.name);
  if (!/^https?:\/\//.test(wanted)) {
    throw new ExplorerError(`“${wanted}” is no dataset: expected user/name on the Hub, or the URL of a folder.`);
  }
  return ofFolder(new URL(wanted));
}

function ofRepo(hub: string, id: string, revision: string, token?: string): Origin {
  const page = `${hub}/datasets/${id}`;
  const base = `${page}/resolve/${encodeURIComponent(revision)}/`;
  return new Origin(id, base, page, token, { hub, id, revision });
}

function ofFolder(url: URL, name?: string): Origin {
  const base = url.href.replace(/[?#].*$/, "").replace(/\/*$/, "/");
  return new Origin(name ?? base, base);
}
