/** Numbers as people read them. */

const whole = new Intl.NumberFormat("en-US");
const decimal = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

/** `27,000`. */
export const count = (value: number) => whole.format(value);

/** `-18.2`, with a real minus. */
export const amount = (value: number) => decimal.format(value).replace("-", "−");

/** The colour class of a run. */
export const runClass = (run: number) => `run-${((run - 1) % 5) + 1}`;
