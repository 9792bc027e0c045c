/** Where each file of a dataset lies; the same in a folder and on the Hub. */

/** A checkpoint of a run of a game. */
export interface Place {
  game: string;
  run: number;
  checkpoint: number;
}

const twoDigits = (number: number) => String(number).padStart(2, "0");

/** `data/pong/run_1/checkpoint_09`: a checkpoint's step shards and its manifest. */
export function checkpointFolder({ game, run, checkpoint }: Place): string {
  return `data/${game}/run_${run}/checkpoint_${twoDigits(checkpoint)}`;
}

/** `data/pong/run_1/checkpoint_09/manifest.json`. */
export function manifestFile(place: Place): string {
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
