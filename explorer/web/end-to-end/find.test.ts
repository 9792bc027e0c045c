/** Finding episodes, and what a page must be for everybody. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, open, PLAYED, setting, shown } from "./browser";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

const FIRST = PLAYED.filter((each) => each.checkpoint === 0);
const sum = (values: number[]) => values.reduce((total, each) => total + each, 0);
const column = async (page: Page, place: number) =>
  (await page.locator(`.table tbody tr > :nth-child(${place})`).allInnerTexts()).map((text) => text.replaceAll(",", "").replace("−", "-"));

describe("episodes", () => {
  test("are listed with their returns and lengths, and sort by them", async () => {
    const { page } = await open(browser, `${setting.folder}?game=pong&checkpoint=0`);
    await shown(page);
    expect(await column(page, 1)).toEqual(FIRST.map((each) => String(each.episode)));
    expect(await column(page, 2)).toEqual(FIRST.map((each) => String(sum(each.reward))));
    await page.getByRole("button", { name: "Length" }).click();
    const lengths = FIRST.map((each) => each.length).sort((one, other) => other - one);
    await expect.poll(() => column(page, 3)).toEqual(lengths.map(String));
    expect(await page.locator("th[aria-sort=descending]").innerText()).toContain("Length");
    await page.context().close();
  });

  test("of all checkpoints can be the best few, and a click shows one", async () => {
    const { page } = await open(browser, `${setting.folder}?game=pong&checkpoint=0`);
    await shown(page);
    await page.getByLabel("of other checkpoints").check();
    await expect.poll(async () => (await column(page, 1)).length).toBe(PLAYED.length);
    await page.locator("select[name=top]").selectOption("0.1");
    await page.getByRole("checkbox", { name: "complete" }).check();
    await expect.poll(async () => (await column(page, 1)).length).toBeLessThan(PLAYED.length / 2);
    const best = Math.max(...PLAYED.slice(0, -1).map((each) => sum(each.reward)));
    expect(Number((await column(page, 2))[0])).toBe(best);
    const [name] = await column(page, 1);
    await page.locator(".table tbody button").first().click();
    const [checkpoint, episode] = name.split(" · ");
    await page.locator(".pane h2", { hasText: `checkpoint ${checkpoint} episode ${episode}` }).waitFor();
    await page.context().close();
  });

  test("are reached by a click on the curve", async () => {
    const { page } = await open(browser, `${setting.folder}?game=pong&checkpoint=1`);
    await shown(page);
    await page.locator(".told", { hasText: "run 1" }).waitFor();
    await page.locator(".curve svg").click({ position: { x: 45, y: 60 } });
    await page.locator(".pane h2", { hasText: "checkpoint 0" }).waitFor();
    await page.context().close();
  });

  test("that are not there are told, and others can be chosen", async () => {
    const { page } = await open(browser, `${setting.folder}?game=pong&run=1&checkpoint=0&episode=999`);
    await page.getByRole("alert").filter({ hasText: "There is no episode 999 in this checkpoint" }).waitFor();
    await page.locator(".table tbody button").first().click();
    expect(await shown(page)).toBe(0);
    await page.context().close();
  });
});

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");

/** What the rules of WCAG 2.2, levels A and AA, find wrong with the page. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await (window as never as { axe: typeof import("axe-core") }).axe.run(document, {
      runOnly: tags,
    });
    return violations.flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html} ${node.failureSummary}`));
  });
}

describe("the page", () => {
  test.each(["light", "dark"] as const)("keeps to the rules of accessibility, %s", async (colorScheme) => {
    const { page } = await open(browser, `${setting.folder}?game=breakout`, { colorScheme });
    await shown(page);
    await page.locator(".told", { hasText: "run 1" }).waitFor();
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Open …" }).click();
    await page.locator(".chooser").waitFor();
    expect(await faults(page)).toEqual([]);
    await page.context().close();
  });

  test.each([380, 768, 1160, 1920])("fits into %i pixels", async (width) => {
    const { page } = await open(browser, `${setting.folder}?game=pong`, { viewport: { width, height: 800 } });
    await shown(page);
    const reach = () => page.evaluate(() => document.documentElement.scrollWidth);
    expect(await reach()).toBeLessThanOrEqual(width);
    await page.getByRole("button", { name: "stack of 4" }).click();
    // It moves the controls, and a button that moves under the pointer isn't clicked.
    await page.locator(".stack canvas[data-step]").nth(3).waitFor();
    await page.getByRole("button", { name: "side by side" }).click();
    await shown(page, 1);
    expect(await reach()).toBeLessThanOrEqual(width);
    await page.context().close();
  });

  test("can be used by the keyboard alone", async () => {
    const { page } = await open(browser, `${setting.folder}?game=pong&checkpoint=0`);
    await shown(page);
    const seen = new Set<string>();
    for (let press = 0; press < 40; press++) {
      await page.keyboard.press("Tab");
      const name = await page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const outline = getComputedStyle(element).outlineStyle;
        const isMarked = outline !== "none" || element.matches(".scrubber input");
        return `${element.tagName} ${element.getAttribute("name") ?? element.ariaLabel ?? element.innerText} ${isMarked ? "marked" : "unmarked"}`;
      });
      seen.add(name.replaceAll("\n", " "));
    }
    for (const wanted of ["SELECT game", "SELECT checkpoint", "BUTTON Play", "SELECT speed", "SUMMARY save", "BUTTON Show episode 1"]) {
      expect([...seen].some((each) => each.startsWith(wanted)), `${wanted} in ${[...seen].join(", ")}`).toBe(true);
    }
    expect([...seen].filter((each) => each.endsWith("unmarked") && !each.startsWith("BODY"))).toEqual([]);
    await page.context().close();
  });

  test("moves nothing for those who do not want it", async () => {
    const { page } = await open(browser, `${setting.folder}?game=pong`, { reducedMotion: "reduce" });
    await shown(page);
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll("*")].filter((each) => {
        const { transitionDuration, animationName } = getComputedStyle(each);
        return transitionDuration !== "0s" || animationName !== "none";
      }).length,
    );
    expect(moving).toBe(0);
    await page.context().close();
  });
});
