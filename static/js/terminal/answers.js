// Answers to what the terminal's page fetches.

import { isSignedOut, tellOfFetch } from "scrollback/failures";

export class SignedOut extends Error {
  constructor(response) {
    super("signed out");
    this.response = response;
  }
}

/**
 * The `response`, if it is what was asked for. Throws SignedOut, or an Error that names the status; its `words` are those that the
 * server has for a person, if any.
 */
export async function succeeded(response) {
  if (isSignedOut(response)) throw new SignedOut(response);
  if (response.ok) return response;
  const hasWords = response.status === 422 && response.headers.get("Content-Type")?.startsWith("text/plain");
  throw Object.assign(new Error(`HTTP ${response.status}`), { words: hasWords ? await response.text() : "" });
}

/** Whether `error` came of being signed out, which is told then, with the way back. */
export function tellIfSignedOut(error) {
  const isOut = error instanceof SignedOut;
  if (isOut) tellOfFetch(error.response, document.activeElement);
  return isOut;
}
