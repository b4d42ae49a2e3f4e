// Answers to what the terminal's page fetches.

import { isSignedOut, tellOfFetch } from "scrollback/failures";

/** What the console says by itself to somebody who may not have the answer, by status. */
export const REFUSALS = {
  403: "You may not see this terminal.",
  404: "This terminal is gone: it may have been deleted or moved to the trash.",
};

export class SignedOut extends Error {
  constructor(response) {
    super("signed out");
    this.response = response;
  }
}

/**
 * The `response`, if it is what was asked for. Throws SignedOut, or an Error that names the status; its `words` are for a person,
 * where there are any: then to try again is of no use.
 */
export async function succeeded(response) {
  if (isSignedOut(response)) throw new SignedOut(response);
  if (response.ok) return response;
  const hasWords = response.status === 422 && response.headers.get("Content-Type")?.startsWith("text/plain");
  const words = REFUSALS[response.status] ?? (hasWords ? await response.text() : "");
  throw Object.assign(new Error(`HTTP ${response.status}`), { words });
}

/** Whether `error` came of being signed out, which is told then, with the way back. */
export function tellIfSignedOut(error) {
  const isOut = error instanceof SignedOut;
  if (isOut) tellOfFetch(error.response, document.activeElement);
  return isOut;
}
