/** When each frame is due. */

/** Speeds that `+` and `-` step through, in frames per second; 15 is the game's own: 60 Hz, 4 frames a step. */
export const SPEEDS = [1, 2, 4, 8, 15, 30, 60, 120, 240];

/** The next speed up or down from this one. */
export function nextSpeed(speed: number, direction: 1 | -1): number {
  const others = SPEEDS.filter((each) => (each - speed) * direction > 0);
  if (others.length === 0) return speed;
  return direction > 0 ? others[0] : others[others.length - 1];
}

/**
 * Says which step to show at a time.
 *
 * Frames are due half a frame's time early, so that a display that ticks at the same rate neither skips nor
 * repeats one when its ticks are a little uneven.
 */
export class Clock {
  constructor(
    private readonly start: number,
    private readonly step: number,
    private readonly framesPerSecond: number,
  ) {}

  /** The step that is due at a time, in milliseconds of the same clock as `start`. */
  due(now: number): number {
    return this.step + Math.floor(((now - this.start) * this.framesPerSecond) / 1000 + 0.5);
  }
}
