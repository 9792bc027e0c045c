/** What the end-to-end tests share: a browser, the servers that pytest started, and looks at the page. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** What pytest prepared; see `tests/explorer/test_page.py`. */
export interface Setting {
  chromium: string;
  /** The local server, for a folder. */
  folder: string;
  /** The local server, for a private dataset on the Hub. */
  hub: string;
  repo: string;
  token: string;
  commit: string;
  /** A plain web server that holds the page, and datasets beside it. */
  web: string;
  /** The local server, for a dataset as large as the whole collection. */
  whole: string;
  /** The local server, for a dataset of Crafter; empty where that is not installed. */
  crafter: string;
  /** Holds what the log holds, and takes downloads. */
  files: string;
}

export const setting = JSON.parse(readFileSync(process.env.EXPLORER_SETTING!, "utf-8")) as Setting;

/** The episodes of the log of Pong, as it was played. */
export interface Played {
  checkpoint: number;
  episode: number;
  length: number;
  action: string[];
  reward: number[];
}

export const PLAYED = JSON.parse(readFileSync(join(setting.files, "pong.json"), "utf-8")) as Played[];

/** The frame of a step, as it was logged. */
export function loggedFrame(played: Played, step: number): Uint8Array {
  const before = PLAYED.slice(0, PLAYED.indexOf(played)).reduce((sum, each) => sum + each.length, 0);
  const start = 7056 * (before + step);
  frames ??= readFileSync(join(setting.files, "pong.bin"));
  return frames.subarray(start, start + 7056);
}
let frames: Buffer | undefined;

/** Start Chromium; it asks nothing of the world outside. */
export function launch(): Promise<Browser> {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
  return chromium.launch({
    executablePath: setting.chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet],
  });
}

/** Open an address; what the page complains of is in `complaints`. */
export async function open(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, complaints };
}

/** Wait until a frame is shown; returns its step. */
export async function shown(page: Page, pane = 0): Promise<number> {
  const canvas = page.locator('.pane[data-state="shown"]').nth(pane).locator("canvas[data-step]").last();
  await canvas.waitFor();
  return Number(await canvas.getAttribute("data-step"));
}

/** Wait until this very step is shown. */
export async function showsStep(page: Page, step: number, pane = 0): Promise<void> {
  await page.locator(".pane").nth(pane).locator(`canvas[data-step="${step}"]`).last().waitFor();
}

/** The grey values on a canvas, each checked to be grey and opaque. */
export async function pixels(page: Page, canvas = "canvas"): Promise<Uint8Array> {
  const values = await page.locator(canvas).last().evaluate((element) => {
    const { data } = (element as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, 84, 84);
    const greys: number[] = [];
    for (let place = 0; place < data.length; place += 4) {
      const [red, green, blue, alpha] = data.subarray(place, place + 4);
      if (red !== green || red !== blue || alpha !== 255) throw new Error("a pixel is not grey");
      greys.push(red);
    }
    return greys;
  });
  return Uint8Array.from(values);
}

/** A value of the step that is shown. */
export function value(page: Page, name: string): Promise<string | null> {
  return page.locator(`[data-value="${name}"]`).first().textContent();
}
