/** Where the page begins. */

import { render } from "preact";
import { readSettings } from "./data/origin";
import { Explorer } from "./explorer";
import { startShards } from "./frames/shards";
import { App } from "./view/app";

/** A page that a Space shows lies in a frame of the Hub's, whose address follows when it is told. */
const HUB = "https://huggingface.co";

const history = {
  write(query: string, isNew: boolean): void {
    if (isNew) {
      replaceNow();
      if (query !== location.search) window.history.pushState(null, "", query || location.pathname);
    } else {
      replaceSoon(query);
    }
    if (window.parent !== window) window.parent.postMessage({ queryString: query.slice(1) }, HUB);
  },
};

let waiting: { query: string; timer: ReturnType<typeof setTimeout> } | undefined;

/** Browsers allow an address to change only so often. */
function replaceSoon(query: string): void {
  clearTimeout(waiting?.timer);
  waiting = { query, timer: setTimeout(replaceNow, 200) };
}

function replaceNow(): void {
  if (!waiting) return;
  clearTimeout(waiting.timer);
  window.history.replaceState(null, "", waiting.query || location.pathname);
  waiting = undefined;
}

const explorer = new Explorer(await readSettings(), startShards(), history);
addEventListener("popstate", () => void explorer.open(location.search));
render(<App explorer={explorer} />, document.getElementById("app")!);
await explorer.open(location.search);
