/** Watching and reading episodes of a dataset in a folder, by the local server. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, loggedFrame, open, pixels, PLAYED, setting, shown, showsStep, value } from "./browser";

/** Longer than a row group. */
const LONG = PLAYED.find((each) => each.length > 2100)!;
const ADDRESS = `?game=pong&run=1&checkpoint=${LONG.checkpoint}&episode=${LONG.episode}`;
let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

async function openLong(step: number): Promise<Page> {
  const { page } = await open(browser, `${setting.folder}${ADDRESS}&step=${step}`);
  await showsStep(page, step);
  return page;
}

describe("a dataset in a folder", () => {
  test("opens with a frame of its first game, without a complaint of the browser's", async () => {
    const { page, complaints } = await open(browser, setting.folder);
    expect(await shown(page)).toBe(0);
    expect(await page.locator(".pane h2").innerText()).toMatch(/Breakout.*run 1.*checkpoint 1.*episode 0/s);
    await page.locator(".told", { hasText: "run 1, checkpoint 1" }).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("shows every pixel as it was logged, from row group to row group", async () => {
    const page = await openLong(0);
    for (const step of [0, 1, 1000, 1900, 2047, 2048, LONG.length - 1]) {
      await page.locator(".scrubber input").fill(String(step));
      await showsStep(page, step);
      expect(Buffer.compare(await pixels(page), loggedFrame(LONG, step)), `step ${step}`).toBe(0);
    }
    await page.context().close();
  });

  test("tells what was logged of a step", async () => {
    const page = await openLong(7);
    const { action, reward, length } = LONG;
    const sum = (values: number[]) => String(values.reduce((total, each) => total + each, 0)).replace("-", "−");
    for (const step of [7, 8, 9, 10]) {
      await showsStep(page, step);
      await page.locator('[data-value="step"]', { hasText: `${step} / ` }).waitFor();
      expect(await value(page, "action")).toBe(action[step]);
      expect(await value(page, "reward")).toBe(sum([reward[step]]));
      expect(await value(page, "so-far")).toBe(sum(reward.slice(0, step + 1)));
      expect(await value(page, "to-go")).toBe(sum(reward.slice(step)));
      await page.keyboard.press("ArrowRight");
    }
    expect(await value(page, "terminated")).toBe("no");
    await page.locator(".scrubber input").fill(String(length - 1));
    await page.locator('[data-value="terminated"]', { hasText: "yes" }).waitFor();
    expect(await value(page, "step")).toBe(`${(length - 1).toLocaleString("en-US")} / ${length.toLocaleString("en-US")}`);
    await page.context().close();
  });

  test("can be walked by the keys that people know", async () => {
    const page = await openLong(100);
    const press = async (key: string, step: number) => {
      await page.keyboard.press(key);
      await showsStep(page, step);
    };
    await press("ArrowRight", 101);
    await press("ArrowLeft", 100);
    await press("PageUp", 110);
    await press("PageDown", 100);
    await press("Enter", 0);
    await press("ArrowLeft", 0);
    const heading = page.locator(".pane h2");
    await page.locator(".table .current").waitFor();
    await page.keyboard.press("ArrowUp");
    await heading.filter({ hasText: `episode ${LONG.episode + 1}` }).waitFor();
    await page.keyboard.press("ArrowDown");
    await heading.filter({ hasText: `episode ${LONG.episode}` }).waitFor();
    await page.keyboard.press("+");
    await expect.poll(() => page.locator("select[name=speed]").inputValue()).toBe("30");
    await page.keyboard.press("-");
    await expect.poll(() => page.locator("select[name=speed]").inputValue()).toBe("15");
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("q");
    await page.locator("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("m");
    await heading.filter({ hasText: "Breakout" }).waitFor();
    await page.keyboard.press("m");
    await heading.filter({ hasText: /Breakout.*run 2/s }).waitFor();
    await page.keyboard.press("s");
    await expect.poll(() => page.locator(".stack canvas").count()).toBe(4);
    await page.keyboard.press("c");
    await expect.poll(() => page.locator(".pane").count()).toBe(2);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator(".pane").count()).toBe(1);
    await page.context().close();
  });

  test("comes back to the same step by its address", async () => {
    const page = await openLong(2040);
    for (let step = 2041; step <= 2050; step++) await page.keyboard.press("ArrowRight");
    await showsStep(page, 2050);
    await page.waitForURL(/step=2050/);
    await page.reload();
    await showsStep(page, 2050);
    expect(Buffer.compare(await pixels(page), loggedFrame(LONG, 2050))).toBe(0);
    await page.keyboard.press("m");
    await page.locator(".pane h2", { hasText: "Breakout" }).waitFor();
    await page.goBack();
    await page.locator(".pane h2", { hasText: "Pong" }).waitFor();
    await showsStep(page, 2050);
    await page.context().close();
  });

  test("plays through row groups, with each frame there when it is due", async () => {
    const page = await openLong(1950);
    await page.locator("select[name=speed]").selectOption("60");
    await page.keyboard.press("Escape");
    await page.locator("select[name=speed]").blur();
    await page.keyboard.press(" ");
    await page.locator(".play[aria-label=Play]").waitFor();
    await showsStep(page, LONG.length - 1);
    const pane = page.locator(".pane");
    expect(await pane.getAttribute("data-waits")).toBe("0");
    expect(await pane.getAttribute("data-shown")).toBe(String(LONG.length - 1 - 1950));
    expect(Buffer.compare(await pixels(page), loggedFrame(LONG, LONG.length - 1))).toBe(0);
    await page.context().close();
  });

  test("shows the stack that an agent sees, black before the episode", async () => {
    const page = await openLong(2);
    await page.getByRole("button", { name: "stack of 4" }).click();
    for (const [place, step] of [-1, 0, 1, 2].entries()) {
      const canvas = `.stack canvas:nth-child(${place + 1})`;
      await page.locator(`${canvas}[data-step="${step}"]`).waitFor();
      const wanted = step < 0 ? new Uint8Array(7056) : loggedFrame(LONG, step);
      expect(Buffer.compare(await pixels(page, canvas), wanted), `step ${step}`).toBe(0);
    }
    await page.context().close();
  });

  test("shows two episodes side by side, which an address brings back", async () => {
    const page = await openLong(5);
    await page.getByRole("button", { name: "side by side" }).click();
    await shown(page, 1);
    await page.locator("select[name=game]").selectOption("breakout");
    await page.locator(".pane h2", { hasText: "Breakout" }).waitFor();
    await page.waitForURL(/beside=breakout/);
    await page.reload();
    await showsStep(page, 5, 0);
    await shown(page, 1);
    expect(await page.locator(".pane h2").allInnerTexts()).toEqual([
      expect.stringContaining("Pong"),
      expect.stringContaining("Breakout"),
    ]);
    await page.context().close();
  });

  test("reads no frames but those of the row groups that are looked at", async () => {
    const { page } = await open(browser, "about:blank");
    const sizes = new Map<string, number>();
    page.on("response", (response) => {
      const path = new URL(response.url()).pathname;
      sizes.set(path, (sizes.get(path) ?? 0) + Number(response.headers()["content-length"] ?? 0));
    });
    await page.goto(`${setting.folder}${ADDRESS}&step=0`);
    await showsStep(page, 0);
    await page.locator(".told", { hasText: "checkpoint" }).waitFor();
    const shards = [...sizes.keys()].filter((path) => path.includes("/steps-"));
    // The histogram of a small checkpoint reads the actions of each of its shards, and nothing else does.
    expect(shards.every((path) => path.includes(`/pong/run_1/checkpoint_0${LONG.checkpoint}/`))).toBe(true);
    const before = [...sizes.entries()].filter(([path]) => path.includes("/steps-")).reduce((sum, [, size]) => sum + size, 0);
    await page.locator(".scrubber input").fill(String(LONG.length - 1));
    await showsStep(page, LONG.length - 1);
    const after = [...sizes.entries()].filter(([path]) => path.includes("/steps-")).reduce((sum, [, size]) => sum + size, 0);
    expect(after).toBeGreaterThan(before * 1.2);
    await page.context().close();
  });

  test.each([
    ["PNG", /-step-3\.png$/],
    ["GIF", /\.gif$/],
    ["MP4 or WebM", /\.(mp4|webm)$/],
  ])("saves what is shown as %s", async (kind, name) => {
    const { page } = await open(browser, `${setting.folder}?game=pong&run=1&checkpoint=0&episode=0&step=3`, {
      acceptDownloads: true,
    });
    await showsStep(page, 3);
    await page.locator("summary", { hasText: "save" }).click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: kind }).click()]);
    expect(download.suggestedFilename()).toMatch(name);
    const path = join(setting.files, download.suggestedFilename());
    await download.saveAs(path);
    expect(readFileSync(path).length).toBeGreaterThan(500);
    await page.context().close();
  });
});
