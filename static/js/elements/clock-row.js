// The row of a transcript at the moment of the session's clock: it is marked (aria-current="time"), and brought into sight
// when the clock was moved to it. While a terminal plays the mark goes on by itself, and the page only with a reader
// who has it in sight.

export class ClockRow {
  /** `load(at_ms, place)` puts the rows around this moment into the list; a Promise of whether it did. */
  constructor(list, load) {
    Object.assign(this, { list, load });
    this.abort = new AbortController();
    const options = { signal: this.abort.signal };
    document.addEventListener("clock:seek", ({ detail }) => this.mark(this.at(detail.at_ms)), options);
    document.addEventListener("clock:settled", ({ detail }) => this.settle(detail), options);
    document.addEventListener("clock:at", ({ detail }) => this.follow(detail.at_ms), options);
  }

  stop() {
    this.abort.abort();
  }

  get rows() {
    return [...this.list.querySelectorAll(":scope > .row:not([data-bare])")];
  }

  get marked() {
    return this.list.querySelector(':scope > .row[aria-current="time"]');
  }

  /** The newest row that was there by then; of rows of one moment the first, where all they say begins. */
  at(moment) {
    const rows = this.rows;
    const last = rows.findLast((row) => Number(row.dataset.at) <= moment) ?? rows[0];
    return rows.find((row) => row.dataset.at === last.dataset.at);
  }

  mark(row) {
    const marked = this.marked;
    if (row === marked) return;
    marked?.removeAttribute("aria-current");
    this.list.querySelector(":scope > [data-found]")?.removeAttribute("data-found");
    // A row that was chosen by hand stays so.
    if (row && !row.hasAttribute("aria-current")) row.setAttribute("aria-current", "time");
  }

  /** The clock came to rest: its row, fetched if need be, is shown. `place` names it where it is known. */
  async settle({ at_ms, place }) {
    if (!this.isHere(at_ms) && !(await this.load(at_ms))) return;
    const named = place && this.list.querySelector(`:scope > #seq-${place}:not([data-bare])`);
    const row = named || this.at(at_ms);
    this.mark(row);
    if (row && !inSight(row)) row.scrollIntoView({ block: "center" });
  }

  follow(moment) {
    if (!this.isHere(moment)) return this.mark(null);
    const wasSeen = this.marked && inSight(this.marked);
    const row = this.at(moment);
    this.mark(row);
    if (wasSeen && row && !inSight(row)) row.scrollIntoView({ block: "center" });
  }

  /** Whether no rows are missing between this moment and those that are shown. */
  isHere(moment) {
    const rows = this.rows;
    if (!rows.length) return false;
    const missing = (side) => this.list.parentElement.querySelector(`:scope > [data-${side}]:not([hidden])`);
    if (moment < Number(rows[0].dataset.at)) return !missing("earlier");
    return moment <= Number(rows.at(-1).dataset.at) || !missing("later");
  }
}

/** Whether the beginning of the row can be read, below all that stays in sight at the top. */
function inSight(row) {
  const { top } = row.getBoundingClientRect();
  const bars = [...document.querySelectorAll("sticky-top, time-scrubber")].map((bar) => bar.getBoundingClientRect());
  const edge = Math.max(0, ...bars.filter((bar) => bar.top <= innerHeight / 2).map((bar) => bar.bottom));
  return top >= edge && top <= innerHeight - 48;
}
