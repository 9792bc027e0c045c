/** A joystick as an action holds it. */

/** Where the stick points, and whether the button is pressed, by an action's name such as `UPRIGHTFIRE`. */
export function stickOf(action: string): { x: number; y: number; fires: boolean } {
  return {
    x: Number(action.includes("RIGHT")) - Number(action.includes("LEFT")),
    y: Number(action.includes("DOWN")) - Number(action.includes("UP")),
    fires: action.includes("FIRE"),
  };
}

const DIRECTIONS = [
  { x: 0, y: -1, turn: 0 },
  { x: 1, y: 0, turn: 90 },
  { x: 0, y: 1, turn: 180 },
  { x: -1, y: 0, turn: 270 },
];

export function Pad({ action }: { action: string }) {
  const { x, y, fires } = stickOf(action);
  return (
    <svg class="pad" viewBox="-40 -28 92 56" aria-hidden="true">
      <circle class="base" r="26" cx="-12" />
      {DIRECTIONS.map((each) => {
        const isHeld = (each.x !== 0 && each.x === x) || (each.y !== 0 && each.y === y);
        return <path class={isHeld ? "arrow held" : "arrow"} d="m-5-17 5-6 5 6z" transform={`translate(-12 0) rotate(${each.turn})`} />;
      })}
      <circle class="stick" r="9" cx={-12 + 7 * x} cy={7 * y} />
      <circle class={fires ? "button held" : "button"} r="10" cx="36" />
    </svg>
  );
}
