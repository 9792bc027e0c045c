/** Datasets wherever they lie: on the Hub, on any web server, as large as the whole collection, or damaged. */

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, loggedFrame, open, pixels, PLAYED, setting, shown, showsStep } from "./browser";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

describe("a private dataset on the Hub", () => {
  test("opens with a token, which stays in the tab and goes to the Hub alone", async () => {
    const { page } = await open(browser, `${setting.hub}?game=pong&checkpoint=0&episode=0&step=4`);
    await page.getByRole("alert").filter({ hasText: "paste a token that may read it" }).waitFor();
    const asked: { url: string; token?: string }[] = [];
    page.on("request", (request) => {
      asked.push({ url: request.url(), token: request.headers().authorization });
    });
    await page.locator("input[name=token]").fill(setting.token);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    expect(await shown(page)).toBe(0);
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    expect(kept).not.toContain(setting.token);
    const withToken = asked.filter(({ token }) => token);
    expect(withToken.length).toBeGreaterThan(3);
    expect(withToken.every(({ url }) => !url.startsWith(setting.hub))).toBe(true);
    await page.context().close();
  });

  test("is read at one commit, which a copied link names", async () => {
    const { page } = await open(browser, `${setting.hub}?dataset=${setting.repo}&game=pong`);
    await page.locator("input[name=token]").fill(setting.token);
    const paths: string[] = [];
    page.on("request", (request) => paths.push(new URL(request.url()).pathname));
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await shown(page);
    const files = paths.filter((path) => path.includes("/resolve/") && !path.endsWith("README.md"));
    expect(files.every((path) => path.includes(`/resolve/${setting.commit}/`))).toBe(true);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link).toContain(`?dataset=${setting.repo}&revision=${setting.commit}&game=`);
    await page.context().close();
  });
});

describe("a plain web server", () => {
  test("serves the page and a dataset to it", async () => {
    const { page, complaints } = await open(
      browser,
      `${setting.web}/page/index.html?dataset=${setting.web}/dataset&game=pong&run=1&checkpoint=0&episode=1&step=9`,
    );
    await showsStep(page, 9);
    expect(Buffer.compare(await pixels(page), loggedFrame(PLAYED[1], 9))).toBe(0);
    expect(complaints.filter((each) => !each.includes("404"))).toEqual([]);
    await page.context().close();
  });

  test("may be asked for any dataset", async () => {
    const { page } = await open(browser, `${setting.web}/page/index.html`);
    await page.locator("input[name=dataset]").fill(`${setting.web}/dataset/`);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    expect(await shown(page)).toBe(0);
    await page.waitForURL((url) => url.searchParams.get("dataset") === `${setting.web}/dataset/`);
    expect(page.url()).not.toContain("token");
    await page.context().close();
  });

  test.each([
    ["nothing", "There is no dataset at"],
    ["no-dataset", "names no step files"],
    ["ftp://example.org", "is no dataset: expected user/name on the Hub, or the URL of a folder"],
  ])("that holds %s is told", async (name, message) => {
    const dataset = name.includes(":") ? name : `${setting.web}/${name}`;
    const { page } = await open(browser, `${setting.web}/page/index.html?dataset=${dataset}`);
    await page.getByRole("alert").filter({ hasText: message }).waitFor();
    await page.context().close();
  });
});

describe("a dataset that is damaged", () => {
  const address = `${setting.web}/page/index.html?dataset=${setting.web}/damaged&game=pong&run=1`;

  test("says which file, and its other checkpoints are still there", async () => {
    const { page } = await open(browser, `${address}&checkpoint=0&episode=0&step=0`);
    const problem = page.getByRole("alert");
    await problem.filter({ hasText: "data/pong/run_1/checkpoint_00/steps-" }).waitFor();
    await page.locator("select[name=checkpoint]").selectOption("1");
    expect(await shown(page)).toBe(0);
    await page.context().close();
  });
});

describe("what a dataset says", () => {
  test("is text, whatever it looks like", async () => {
    const dataset = encodeURIComponent(`${setting.web}/<img src=x onerror=alert(1)>`);
    const { page } = await open(browser, `${setting.web}/page/index.html?dataset=${dataset}`);
    page.on("dialog", () => expect.fail("a script of the dataset's ran"));
    await shown(page);
    expect(await page.locator("header h1").getAttribute("title")).toBe("<script>alert(1)</script>");
    expect(await page.locator("img, header script").count()).toBe(0);
    await page.context().close();
  });
});

describe("a dataset of the whole collection", () => {
  test("opens with less than 2 MB", async () => {
    const context = await browser.newContext();
    const page: Page = await context.newPage();
    let bytes = 0;
    page.on("response", (response) => {
      bytes += Number(response.headers()["content-length"] ?? 0);
    });
    await page.goto(setting.whole);
    await shown(page);
    expect(bytes).toBeGreaterThan(4e5);
    expect(bytes).toBeLessThan(2e6);
    expect(await page.locator("select[name=game] option").count()).toBe(60);
    expect(await page.locator("select[name=checkpoint] option").count()).toBe(50);
    await expect.poll(() => page.locator(".curve .mean[d^=M]").count()).toBe(5);
    await context.close();
  });
});
