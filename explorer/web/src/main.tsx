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
    const url = query || location.pathname;
    clearTimeout(soon);
    if (query === location.search) return;
    if (isNew) window.history.pushState(null, "", url);
    else replaceSoon(url);
    if (window.parent !== window) window.parent.postMessage({ queryString: query.slice(1) }, HUB);
  },
};

let soon: ReturnType<typeof setTimeout> | undefined;

/** Browsers allow an address to change only so often. */
function replaceSoon(url: string): void {
  soon = setTimeout(() => window.history.replaceState(null, "", url), 200);
}

const explorer = new Explorer(await readSettings(), startShards(), history);
addEventListener("popstate", () => void explorer.open(location.search));
render(<App explorer={explorer} />, document.getElementById("app")!);
await explorer.open(location.search);
