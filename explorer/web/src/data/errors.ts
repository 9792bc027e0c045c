/** What a person can mend: shown as it is. */
export class ExplorerError extends Error {}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return String(error);
}
