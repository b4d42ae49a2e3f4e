// Search inside one terminal: the hits as they come from /terminals/<id>/search, which answers line by line, and the moment
// that one of them opens.

import { succeeded } from "scrollback/terminal/answers";

/**
 * Searches from byte `from` on. `found(hits)` gets those that came together, each {offset, at_us, text, start, end, place};
 * `place` names a hit in links. The Promise is of the last line: {done, hits, is_cut, searched, next, error, note}; `next` is
 * where to search on, null at the end. Throws SignedOut, or another error when the server cannot answer or `signal` aborts.
 */
export async function searchTerminal(terminal, { query, regex, from = 0 }, { signal, found }) {
  const address = new URL(`/terminals/${terminal}/search`, document.baseURI);
  address.searchParams.set("q", query);
  address.searchParams.set("regex", regex ? "1" : "0");
  if (from) address.searchParams.set("from", from);
  const response = await succeeded(await fetch(address, { signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let last = null;
  for (let atEnd = false; !atEnd; ) {
    const piece = await reader.read();
    atEnd = piece.done;
    const lines = (rest + (piece.value ?? "")).split("\n");
    rest = atEnd ? "" : lines.pop();
    const answers = lines.filter(Boolean).map((line) => JSON.parse(line));
    last = answers.find(({ done }) => done) ?? last;
    const hits = answers.filter(({ done }) => !done);
    if (hits.length) found(hits);
  }
  if (!last) throw new Error("the answer was cut off");
  return last;
}

/** Where the line of a hit begins to stand on the screen: {offset, at_us}; null where the server does not find that. */
export async function momentOf(terminal, { offset, text, start, end }, signal) {
  const address = new URL(`/terminals/${terminal}/moment`, document.baseURI);
  for (const [name, value] of Object.entries({ offset, text, start, end })) address.searchParams.set(name, value);
  try {
    const response = await fetch(address, { signal });
    return response.status === 200 && !response.redirected ? await response.json() : null;
  } catch {
    // Given up, or the connection was lost: the place in the list is known.
    return null;
  }
}
