// Cuts control strings (titles, links, device strings) that are longer than anything means. xterm.js keeps one until it
// ends: 32 MB without an end took 350 MB of memory.

const MOST_STRING_BYTES = 64 * 1024;

const BEL = 0x07;
const ESC = 0x1b;
const LEAD = 0xc2;
const END_8_BIT = 0x9c;
const ENDS = new Set([BEL, 0x18, 0x1a, ESC]);
// ESC P, X, ], ^ and _ begin a string, and so do the same as one character of 8 bits, which is two bytes in UTF-8.
const STARTS = new Set([0x50, 0x58, 0x5d, 0x5e, 0x5f]);
const STARTS_8_BIT = new Set([0x90, 0x98, 0x9d, 0x9e, 0x9f]);

export class StringCap {
  #inString = false;
  #length = 0;
  // The byte before, when it may begin something with the next one.
  #before = 0;
  // A string had the first byte of what may be its end.
  #mayEnd = false;

  reset() {
    this.#inString = this.#mayEnd = false;
    this.#before = 0;
  }

  /** `bytes` without what is too much; the very same when nothing is. */
  keep(bytes) {
    const pieces = [];
    let start = 0;
    let at = 0;
    const next = { escape: finder(bytes, ESC), lead: finder(bytes, LEAD) };
    if (this.#mayEnd && bytes.length) {
      this.#mayEnd = false;
      this.#inString = bytes[0] !== END_8_BIT;
    }
    while (at < bytes.length) {
      if (!this.#inString) {
        at = this.#nextString(bytes, at, next);
        continue;
      }
      const end = this.#endOfString(bytes, at);
      const room = Math.max(0, MOST_STRING_BYTES - this.#length);
      if (end - at > room) {
        pieces.push(bytes.subarray(start, at + room));
        start = end;
      }
      this.#length += end - at;
      this.#mayEnd = bytes[end] === LEAD && end + 1 === bytes.length;
      this.#inString = end === bytes.length || this.#mayEnd;
      at = this.#mayEnd ? bytes.length : end;
    }
    if (!start) return bytes;
    return concatenated([...pieces, bytes.subarray(start)]);
  }

  /** Where to go on: behind the start of a string, or at the end. */
  #nextString(bytes, from, next) {
    if (this.#before) {
      const starts = this.#before === ESC ? STARTS : STARTS_8_BIT;
      this.#before = 0;
      if (starts.has(bytes[from])) return this.#begin(from + 1);
    }
    let escape = next.escape(from);
    let lead = next.lead(from);
    while (escape < bytes.length || lead < bytes.length) {
      const isEscape = escape < lead;
      const at = isEscape ? escape : lead;
      if (at + 1 === bytes.length) {
        this.#before = bytes[at];
        break;
      }
      if ((isEscape ? STARTS : STARTS_8_BIT).has(bytes[at + 1])) return this.#begin(at + 2);
      if (isEscape) escape = next.escape(at + 1);
      else lead = next.lead(at + 1);
    }
    return bytes.length;
  }

  #begin(at) {
    this.#inString = true;
    this.#length = 0;
    return at;
  }

  #endOfString(bytes, from) {
    let at = from;
    const mayEnd = () => bytes[at] === LEAD && (at + 1 === bytes.length || bytes[at + 1] === END_8_BIT);
    while (at < bytes.length && !ENDS.has(bytes[at]) && !mayEnd()) at += 1;
    return at;
  }
}

/** Where `byte` is next, at `from` or behind it; asked with ascending `from`, it looks at each byte once. */
function finder(bytes, byte) {
  let at = -1;
  return (from) => {
    if (at < from) at = bytes.indexOf(byte, from);
    if (at < 0) at = bytes.length;
    return at;
  };
}

export function concatenated(pieces) {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
