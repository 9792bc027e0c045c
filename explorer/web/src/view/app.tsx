import { useEffect, useState } from "preact/hooks";
import type { Explorer } from "../explorer";
import { findKey, isForElement } from "../keys";
import { Chooser } from "./chooser";
import { Find } from "./find";
import { Header } from "./header";
import { useChanges } from "./hooks";
import { KeysHelp } from "./keys_help";
import { Read } from "./read";
import { Watch } from "./watch";

export function App({ explorer }: { explorer: Explorer }) {
  useChanges(explorer);
  const [showsKeys, setShowsKeys] = useState(false);
  useKeys(explorer, showsKeys, setShowsKeys);
  return (
    <>
      <Header explorer={explorer} showKeys={() => setShowsKeys(true)} />
      {explorer.status === "choosing" && <Chooser explorer={explorer} />}
      {explorer.status === "opening" && (
        <main class="opening">
          <p role="status">Opening {explorer.wanted} …</p>
        </main>
      )}
      {explorer.status === "open" && (
        <main class="open">
          <Watch explorer={explorer} />
          <Read explorer={explorer} />
          <Find explorer={explorer} />
        </main>
      )}
      {showsKeys && <KeysHelp close={() => setShowsKeys(false)} />}
    </>
  );
}

function useKeys(explorer: Explorer, showsKeys: boolean, setShowsKeys: (shows: boolean) => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target instanceof HTMLElement ? event.target : document.body;
      if (isForElement(event.key, target as HTMLInputElement) && event.key !== "Escape") return;
      if (event.key === "Escape" || event.key === "q") {
        close(explorer, showsKeys, setShowsKeys);
        return;
      }
      if (showsKeys) return;
      if (event.key === "?") {
        setShowsKeys(true);
        return;
      }
      const key = findKey(event);
      if (!key || explorer.status !== "open") return;
      event.preventDefault();
      key.act(explorer);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [explorer, showsKeys]);
}

/** Close what is open, the last first. */
function close(explorer: Explorer, showsKeys: boolean, setShowsKeys: (shows: boolean) => void): void {
  const menu = document.querySelector<HTMLDetailsElement>("details[open]");
  if (showsKeys) setShowsKeys(false);
  else if (menu) menu.open = false;
  else if (explorer.panes.length > 1) void explorer.toggleBeside();
}
