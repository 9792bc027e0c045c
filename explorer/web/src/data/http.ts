/** Reads files and parts of files over HTTP. */

import { ExplorerError } from "./errors";

/** A file on a server. */
export interface RemoteFile {
  url: string;
  /** Sent to the Hub alone. */
  token?: string;
}

/** A request that a server refused. */
export class HttpError extends ExplorerError {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const ATTEMPTS = 4;
const MOST_WITHOUT_RANGES = 32 * 2 ** 20;

/** Read bytes `start` up to, but not including, `end`; fewer if the file ends before. */
export async function readRange(file: RemoteFile, start: number, end: number): Promise<ArrayBuffer> {
  if (end <= start) return new ArrayBuffer(0);
  const response = await request(file, { Range: `bytes=${start}-${end - 1}` });
  if (response.status === 206) return response.arrayBuffer();
  if (Number(response.headers.get("Content-Length") ?? Infinity) > MOST_WITHOUT_RANGES) {
    await response.body?.cancel();
    throw new ExplorerError(
      `${nameOf(file)}: this server sends whole files only; the explorer needs one that understands Range requests.`,
    );
  }
  return (await response.arrayBuffer()).slice(start, end);
}

/** Read a whole file as text, with the headers that came with it. */
export async function readText(file: RemoteFile): Promise<string> {
  return (await request(file, {})).text();
}

/** The response to a GET request: repeated while the server is too busy or the network fails. */
export async function request(file: RemoteFile, headers: Record<string, string>): Promise<Response> {
  const authorization: Record<string, string> = file.token ? { Authorization: `Bearer ${file.token}` } : {};
  for (let attempt = 1; ; attempt++) {
    let wait = 300 * 2 ** attempt;
    try {
      const response = await fetch(file.url, { headers: { ...headers, ...authorization }, referrerPolicy: "no-referrer" });
      if (response.ok) return response;
      const isPassing = response.status === 429 || response.status >= 500;
      if (!isPassing || attempt === ATTEMPTS) throw new HttpError(response.status, explain(file, response.status));
      wait = Math.min(30_000, Math.max(wait, 1000 * Number(response.headers.get("Retry-After") ?? 0) || 0));
    } catch (error) {
      if (error instanceof HttpError) throw error;
      if (attempt === ATTEMPTS) {
        throw new ExplorerError(
          `${nameOf(file)}: the server does not answer, or does not allow this page to read from it (CORS).`,
        );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function explain(file: RemoteFile, status: number): string {
  if (status === 401 || status === 403) {
    return `${nameOf(file)}: not to be read (${status}). If the dataset is private, paste a token that may read it.`;
  }
  if (status === 404) return `${nameOf(file)}: there is no such file (404).`;
  return `${nameOf(file)}: the server answered ${status}.`;
}

function nameOf(file: RemoteFile): string {
  const path = new URL(file.url).pathname.slice(1);
  try {
    return decodeURI(path);
  } catch {
    return path; // a name that is no UTF-8
  }
}
