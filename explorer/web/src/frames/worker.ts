/** The worker: decompresses and decodes, so that the page never waits. */

import { messageOf } from "../data/errors";
import type { Question } from "./protocol";
import { countActions, readEpisodes, readFrames, readMap, readSteps, readTrail } from "./tables";

addEventListener("message", async ({ data: { id, question } }: MessageEvent<{ id: number; question: Question }>) => {
  try {
    const answer = await reply(question);
    const moved = answer && "pixels" in answer ? [answer.pixels.buffer] : [];
    postMessage({ id, answer }, { transfer: moved });
  } catch (error) {
    postMessage({ id, error: messageOf(error) });
  }
});

function reply(question: Question) {
  switch (question.kind) {
    case "episodes":
      return readEpisodes(question.file);
    case "steps":
      return readSteps(question.file, question.first, question.count);
    case "frames":
      return readFrames(question.file, question.first, question.count);
    case "actions":
      return countActions(question.file);
    case "trail":
      return readTrail(question.file, question.first, question.count);
    case "map":
      return readMap(question.file, question.row);
  }
}
