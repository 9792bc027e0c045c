// Measures the page in a browser; prints one line of JSON. Started by benchmarks/explorer.py.
//
// Arguments: Chromium, the page's address, how often to open it, seconds to play at each speed, speeds.

import { chromium } from "playwright-core";

const [executablePath, address, times, seconds, ...speeds] = process.argv.slice(2);
const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet] });

const openings = [];
for (let time = 0; time < Number(times); time++) openings.push(await measureOpening());
const playing = {};
for (const speed of speeds) playing[speed] = await measurePlay(speed);
await browser.close();
console.log(JSON.stringify({ openings, playing }));

/** Milliseconds and bytes from the address to the first frame, with nothing cached. */
async function measureOpening() {
  const page = await (await browser.newContext()).newPage();
  let bytes = 0;
  page.on("response", (response) => {
    bytes += Number(response.headers()["content-length"] ?? 0);
  });
  const start = performance.now();
  await page.goto(address, { waitUntil: "commit" });
  await page.waitForSelector('.pane[data-state="shown"]');
  const milliseconds = performance.now() - start;
  const soFar = bytes;
  await page.context().close();
  return { milliseconds, bytes: soFar };
}

/** Frames that were shown, skipped and waited for. */
async function measurePlay(speed) {
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  await page.goto(address);
  const pane = page.locator('.pane[data-state="shown"]');
  await pane.waitFor();
  await page.waitForTimeout(2000);
  await page.locator("select[name=speed]").selectOption(speed);
  await page.locator("select[name=speed]").blur();
  await page.keyboard.press(" ");
  await page.waitForTimeout(1000 * Number(seconds));
  const [shown, skipped, waits] = await Promise.all(
    ["data-shown", "data-skipped", "data-waits"].map((name) => pane.getAttribute(name).then(Number)),
  );
  await page.context().close();
  return { shown, skipped, waits };
}
