/** Watching episodes of a world beyond Atari: its frames in colour, its map, and its state. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, setting, showsStep, value } from "./browser";

/** The second episode of Crafter, as it was played. */
interface PlayedWorld {
  action: string[];
  player_x: number[];
  player_y: number[];
  inventory_health: number[];
  /** The first frame's first pixel. */
  pixel: number[];
  /** Of the fields that it and the first episode saw, on the same map, the share that both saw. */
  overlap: number;
  /** The share of all fields that either saw. */
  coverage: number;
}

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

test("a step of Crafter is shown with the map, the player's place and the inventory", async () => {
  const played = JSON.parse(readFileSync(join(setting.files, "crafter.json"), "utf-8")) as PlayedWorld;
  const { page, complaints } = await open(browser, `${setting.crafter}?game=crafter&run=1&checkpoint=1&episode=1&step=0`);
  for (const step of [0, 1, played.action.length - 1]) {
    await page.locator(".scrubber input").fill(String(step));
    await showsStep(page, step);
    await page.locator(`canvas[data-map-step="${step}"]`).waitFor();
    expect(await value(page, "action")).toBe(played.action[step]);
    expect(await value(page, "position")).toBe(`column ${played.player_x[step]}, row ${played.player_y[step]}`);
    const health = page.locator('[data-amounts="inventory"] div', { hasText: "health" }).locator("dd");
    expect(await health.innerText()).toBe(String(played.inventory_health[step]));
  }
  await page.locator(".scrubber input").fill("0");
  await showsStep(page, 0);
  const pixel = await page.locator("canvas[data-step]").first().evaluate((canvas) => {
    const context = (canvas as HTMLCanvasElement).getContext("2d")!;
    return [canvas.clientWidth > 0, ...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
  });
  expect(pixel).toEqual([true, ...played.pixel]);
  expect(complaints).toEqual([]);
  await page.context().close();
});

test("the episodes on one map are drawn together, with what their players saw", async () => {
  const played = JSON.parse(readFileSync(join(setting.files, "crafter.json"), "utf-8")) as PlayedWorld;
  const { page, complaints } = await open(browser, `${setting.crafter}?game=crafter&run=1&checkpoint=1&episode=1&step=0`);
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  await page.locator(".overlap").waitFor();
  expect(await value(page, "sharing")).toBe("2");
  expect(await value(page, "coverage")).toBe(percent(played.coverage));
  const overlap = String(Math.round(100 * played.overlap));
  const shares = ["100", overlap, overlap, "100"];
  expect(await page.locator(".overlap td").allInnerTexts()).toEqual(shares);
  await page.locator(".overlap").getByRole("button", { name: "0" }).click();
  await page.getByLabel(/^Frame of run 1, checkpoint 1, episode 0/).waitFor();
  expect(complaints).toEqual([]);
  await page.context().close();
});
