import { useState } from "preact/hooks";
import type { Explorer } from "../explorer";

/** The dataset's name, and what works on the page as a whole. */
export function Header({ explorer, showKeys }: { explorer: Explorer; showKeys: () => void }) {
  const { repository } = explorer;
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(new URL(explorer.link() || "?", document.baseURI).href);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <header>
      <span class="stripes" aria-hidden="true" />
      <p class="brand">Atari DQN Replay</p>
      {repository && <DatasetName explorer={explorer} />}
      <nav>
        {repository && (
          <>
            <button type="button" class="quiet" onClick={() => explorer.leave()}>
              Open …
            </button>
            <button type="button" class="quiet" onClick={() => void copy()}>
              {copied ? "Copied" : "Copy link"}
            </button>
          </>
        )}
        <button type="button" class="quiet" aria-label="Keys" title="Keys (?)" onClick={showKeys}>
          ?
        </button>
        <button type="button" class="quiet" aria-label="Light or dark" title="Light or dark" onClick={changeTheme}>
          ◐
        </button>
      </nav>
    </header>
  );
}

function DatasetName({ explorer }: { explorer: Explorer }) {
  const { origin, catalog } = explorer.repository!;
  const isPage = origin.page !== undefined && /^https?:\/\//.test(origin.page);
  return (
    <h1 title={catalog.title}>
      {isPage ? (
        <a href={origin.page} target="_blank" rel="noopener noreferrer">
          {origin.name}
        </a>
      ) : (
        origin.name
      )}
    </h1>
  );
}

function changeTheme(): void {
  const { dataset } = document.documentElement;
  const isDark = dataset.theme
    ? dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = isDark ? "light" : "dark";
}
