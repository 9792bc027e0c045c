import { useMemo } from "preact/hooks";
import type { Playback } from "../play/playback";
import { amount, count } from "./format";
import { useChanges } from "./hooks";
import { Pad } from "./pad";

/** What the dataset says of the step that is shown. */
export function Values({ playback }: { playback: Playback }) {
  useChanges(playback);
  const { steps, episode, place } = playback.loaded;
  const { step } = playback;
  const soFar = useMemo(() => cumulate(steps.reward), [steps]);
  const action = steps.actionNames[steps.action[step]] ?? `action ${steps.action[step]}`;
  const reward = steps.reward[step];
  return (
    <dl class="values">
      <div class="action">
        <dt>Action</dt>
        <dd data-value="action">{action}</dd>
        <Pad action={action} />
      </div>
      <Value name="Step" id="step" value={`${count(step)} / ${count(episode.length)}`} />
      <Value name="Reward" id="reward" value={amount(reward)} tone={reward > 0 ? "gain" : reward < 0 ? "loss" : ""} />
      <Value name="Return so far" id="so-far" value={amount(soFar[step])} />
      <Value name="Return to go" id="to-go" value={amount(steps.returnToGo[step])} />
      {steps.unclippedReward && <Value name="Unclipped reward" id="unclipped" value={amount(steps.unclippedReward[step])} />}
      <Value name="Terminated" id="terminated" value={steps.terminated[step] ? "yes" : "no"} />
      <Value name="Truncated" id="truncated" value={steps.truncated[step] ? "yes" : "no"} />
      <Value name="Checkpoint" id="checkpoint" value={String(place.checkpoint)} />
    </dl>
  );
}

function Value({ name, id, value, tone = "" }: { name: string; id: string; value: string; tone?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-value={id} class={tone}>
        {value}
      </dd>
    </div>
  );
}

function cumulate(rewards: Float32Array): Float64Array {
  let sum = 0;
  return Float64Array.from(rewards, (reward) => (sum += reward));
}
