import { useEffect, useRef, useState } from "preact/hooks";
import type { Episode, SortKey } from "../data/episodes";
import type { Explorer } from "../explorer";
import { amount, count } from "./format";

/** Height of a row, in pixels, as the style sheet has it. */
const ROW = 30;
/** Rows that are drawn above and below those in view. */
const AROUND = 12;

const COLUMNS: { key: SortKey; name: string }[] = [
  { key: "order", name: "Episode" },
  { key: "return", name: "Return" },
  { key: "length", name: "Length" },
];

/** The episodes that were asked for; of many only those in view are drawn. */
export function EpisodeTable({ explorer }: { explorer: Explorer }) {
  const frame = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const { episodes: listed, query, span } = explorer.list;
  const place = explorer.list.placeOf(explorer.pane!.selection);
  useEffect(() => {
    const element = frame.current;
    if (!element || place < 0) return;
    const above = place * ROW;
    const room = element.clientHeight - 2 * ROW;
    if (above < element.scrollTop) element.scrollTop = above;
    else if (above > element.scrollTop + room) element.scrollTop = above - room;
  }, [place, listed]);
  const first = Math.max(0, Math.floor(top / ROW) - AROUND);
  const last = Math.min(listed.length, first + 2 * AROUND + Math.ceil((frame.current?.clientHeight ?? 600) / ROW));
  const sort = (key: SortKey) => {
    const descending = query.sort === key ? !query.descending : key !== "order";
    void explorer.listOthers({ sort: key, descending });
  };
  return (
    <div class="table" ref={frame} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
      <table aria-rowcount={listed.length}>
        <thead>
          <tr>
            {COLUMNS.map(({ key, name }) => (
              <th scope="col" aria-sort={query.sort !== key ? "none" : query.descending ? "descending" : "ascending"}>
                <button type="button" onClick={() => sort(key)}>
                  {name}
                  {query.sort === key && (
                    <span class="arrow" aria-hidden="true">
                      {query.descending ? "↓" : "↑"}
                    </span>
                  )}
                </button>
              </th>
            ))}
            <th scope="col">End</th>
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW}px` }} />}
          {listed.slice(first, last).map((episode, index) => (
            <Row
              key={`${episode.checkpoint}/${episode.episode}`}
              explorer={explorer}
              episode={episode}
              isCurrent={first + index === place}
              withCheckpoint={span !== undefined}
            />
          ))}
          {last < listed.length && <tr aria-hidden="true" style={{ height: `${(listed.length - last) * ROW}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

function Row(props: { explorer: Explorer; episode: Episode; isCurrent: boolean; withCheckpoint: boolean }) {
  const { explorer, episode, isCurrent, withCheckpoint } = props;
  const name = withCheckpoint ? `${episode.checkpoint} · ${episode.episode}` : String(episode.episode);
  const show = () => void explorer.select({ checkpoint: episode.checkpoint, episode: episode.episode });
  return (
    <tr class={isCurrent ? "current" : ""} onClick={show}>
      <th scope="row">
        <button
          type="button"
          aria-current={isCurrent}
          aria-label={`Show episode ${episode.episode} of checkpoint ${episode.checkpoint}`}
        >
          {name}
        </button>
      </th>
      <td>{amount(episode.return)}</td>
      <td>{count(episode.length)}</td>
      <td class="ending">{endOf(episode)}</td>
    </tr>
  );
}

function endOf(episode: Episode): string {
  if (!episode.complete) return "cut";
  return episode.truncated ? "truncated" : "terminated";
}
