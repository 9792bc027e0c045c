import { useEffect, useState } from "preact/hooks";
import { messageOf } from "../data/errors";
import { keyOf, type Place } from "../data/layout";
import type { Explorer } from "../explorer";

/** Steps of a checkpoint up to which its actions are counted unasked: each 2,048 take a request. */
const UNASKED = 40_000;
const known = new Map<string, number[]>();

/** How often each action was taken in a checkpoint; of a large one only once that is asked for. */
export function useCheckpointActions(
  explorer: Explorer,
  place: Place,
): { counts?: number[]; ask?: () => void; state: string } {
  const key = `${explorer.repository?.origin.base} ${keyOf(place)}`;
  const [, draw] = useState(0);
  const [state, setState] = useState("");
  const [asked, setAsked] = useState("");
  useEffect(() => {
    const repository = explorer.repository;
    if (!repository || known.has(key)) return;
    let isShown = true;
    const count = async () => {
      const shards = await repository.shardsOf(place);
      const steps = shards.reduce((sum, shard) => sum + shard.rows, 0);
      if (steps > UNASKED && asked !== key) {
        setState("large");
        return;
      }
      setState("counting …");
      const each = await Promise.all(shards.map((shard) => repository.shards.actions(shard)));
      const kinds = Math.max(...each.map((counts) => counts.length));
      known.set(
        key,
        Array.from({ length: kinds }, (_, kind) => each.reduce((sum, counts) => sum + (counts[kind] ?? 0), 0)),
      );
      if (isShown) setState("");
    };
    count()
      .catch((error: unknown) => isShown && setState(messageOf(error)))
      .finally(() => isShown && draw((times) => times + 1));
    return () => {
      isShown = false;
    };
  }, [key, asked]);
  const counts = known.get(key);
  if (counts) return { counts, state: "" };
  return state === "large" ? { ask: () => setAsked(key), state: "" } : { state };
}
