/** The keys, those of the visualizers of static data among them. */

import type { Explorer } from "./explorer";

export interface Key {
  /** As the browser names them. */
  keys: string[];
  /** As people know them. */
  shown: string;
  does: string;
  act(explorer: Explorer): void;
}

/** Each key with what it does; `?` and what closes things are the page's own. */
export const KEYS: Key[] = [
  { keys: [" "], shown: "space", does: "play or stop", act: (explorer) => explorer.togglePlay() },
  { keys: ["ArrowLeft"], shown: "←", does: "one frame back", act: (explorer) => explorer.move(-1) },
  { keys: ["ArrowRight"], shown: "→", does: "one frame on", act: (explorer) => explorer.move(1) },
  { keys: ["PageUp"], shown: "Page Up", does: "ten frames on", act: (explorer) => explorer.move(10) },
  { keys: ["PageDown"], shown: "Page Down", does: "ten frames back", act: (explorer) => explorer.move(-10) },
  { keys: ["ArrowUp"], shown: "↑", does: "next episode", act: (explorer) => void explorer.stepEpisode(1) },
  { keys: ["ArrowDown"], shown: "↓", does: "previous episode", act: (explorer) => void explorer.stepEpisode(-1) },
  { keys: ["Enter"], shown: "Enter", does: "to the episode's start", act: (explorer) => explorer.seek(0) },
  { keys: ["m"], shown: "m", does: "next run, or next game", act: (explorer) => void explorer.nextDataset() },
  { keys: ["+", "="], shown: "+", does: "faster", act: (explorer) => explorer.changeSpeed(1) },
  { keys: ["-"], shown: "−", does: "slower", act: (explorer) => explorer.changeSpeed(-1) },
  { keys: ["s"], shown: "s", does: "the stack of 4 frames", act: (explorer) => explorer.toggleStack() },
  { keys: ["c"], shown: "c", does: "a second episode beside", act: (explorer) => void explorer.toggleBeside() },
];

/** Whether a key pressed here is for the element that has the focus, and not for the page. */
export function isForElement(key: string, target: { tagName: string; type?: string }): boolean {
  const { tagName, type } = target;
  if (tagName === "INPUT" && type === "range") return false;
  if (tagName === "INPUT" && type === "checkbox") return key === " ";
  if (["INPUT", "SELECT", "TEXTAREA"].includes(tagName)) return true;
  return ["BUTTON", "A", "SUMMARY"].includes(tagName) && [" ", "Enter"].includes(key);
}

/** The key's entry, if it has one. */
export function findKey(event: { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean }): Key | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  return KEYS.find((each) => each.keys.includes(event.key));
}
