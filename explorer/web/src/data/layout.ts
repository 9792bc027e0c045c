/** Where each file of a dataset lies; the same in a folder and on the Hub. */

/** A checkpoint of a run of a game. */
export interface Place {
  game: string;
  run: number;
  checkpoint: number;
}

const twoDigits = (number: number) => String(number).padStart(2, "0");

/** `data/pong/run_1/checkpoint_09`: a checkpoint's step shards. */
export function checkpointFolder({ game, run, checkpoint }: Place): string {
  return `data/${game}/run_${run}/checkpoint_${twoDigits(checkpoint)}`;
}

/** `manifests/pong/run_1/checkpoint_09.json`. */
export function manifestFile({ game, run, checkpoint }: Place): string {
  return `manifests/${game}/run_${run}/checkpoint_${twoDigits(checkpoint)}.json`;
}

/** `data/pong/run_1/checkpoint_09/manifest.json`: where the manifests of format 2 lay. */
export function manifestFileOfFormat2(place: Place): string {
  return `${checkpointFolder(place)}/manifest.json`;
}

/** `episodes/pong/run_1/checkpoint_09.parquet`. */
export function episodesTable({ game, run, checkpoint }: Place): string {
  return `episodes/${game}/run_${run}/checkpoint_${twoDigits(checkpoint)}.parquet`;
}

/** A name that is the same for the same checkpoint, and for no other. */
export function keyOf({ game, run, checkpoint }: Place): string {
  return `${game}/${run}/${checkpoint}`;
}
