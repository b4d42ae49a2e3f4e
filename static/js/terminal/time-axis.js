// Where a moment stands on the bar, from 0 to 1. While pauses are skipped a long one takes little more room than the
// player spends on it, so that an hour of waiting does not press everything else into a few pixels.

import { between } from "scrollback/scale";

// Shorter ones are part of how a program writes.
export const LONGEST_PAUSE_US = 2_000_000;

export class TimeAxis {
  // Moments at which a piece begins and where it stands, both ascending; between two of them the axis is straight.
  #moments = [0];
  #places = [0];

  /** `activity`: {atUs, untilUs, bytes}, ascending, each written from its moment on until that of its last byte. */
  constructor(endUs, activity, { shortensPauses = true } = {}) {
    this.endUs = endUs;
    this.pauses = pausesOf(endUs, activity);
    for (const [from, to] of shortensPauses ? this.pauses : []) {
      this.#append(from, from - this.#moments.at(-1));
      this.#append(to, shownLength(to - from));
    }
    this.#append(endUs, endUs - this.#moments.at(-1));
    const whole = this.#places.at(-1);
    this.#places = this.#places.map((place) => (whole ? place / whole : 0));
  }

  place(us) {
    if (!this.endUs) return 1;
    return between(this.#moments, this.#places, Math.min(Math.max(us, 0), this.endUs));
  }

  moment(place) {
    return between(this.#places, this.#moments, Math.min(Math.max(place, 0), 1));
  }

  #append(moment, length) {
    this.#moments.push(moment);
    this.#places.push(this.#places.at(-1) + length);
  }
}

/** Longer ones stay longer to the eye, yet by far not in proportion. */
function shownLength(pauseUs) {
  return LONGEST_PAUSE_US * (1 + Math.log10(pauseUs / LONGEST_PAUSE_US));
}

function pausesOf(endUs, activity) {
  const pauses = [];
  let before = 0;
  for (const { atUs, untilUs } of [...activity, { atUs: endUs, untilUs: endUs }]) {
    // What has been written just now may be later than the end that is known.
    const to = Math.min(atUs, endUs);
    if (to - before > LONGEST_PAUSE_US) pauses.push([before, to]);
    before = untilUs;
  }
  return pauses;
}
