// <time-scrubber>: the session's one clock. Moving it, or pressing any link with data-seek, dispatches on the document
//   clock:seek {at_ms}
// and whoever shows something on the clock follows; clock:at {at_ms} moves the playhead without seeking. Where it comes to
// rest (not while it is dragged) it dispatches clock:settled {at_ms, place}, the place of the row whose link was
// pressed, and the address gets ?t=00:12:31.250, so that copying the link copies the moment. Its marks are one stop of the Tab key.
// Moments are always the session's own; only the bar is drawn on the scale of data-knots, which shortens pauses.

import { moveAmong, settle } from "scrollback/roving";
import { between } from "scrollback/scale";

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;
// What a press of an arrow key moves: the least of these with which no more than so many presses lead from end to end.
const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map((seconds) => seconds * SECOND_MS);
const MOST_PRESSES = 240;
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

export function clockText(at, withFraction = false) {
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const seconds = Math.floor(at / 1000);
  const text = `${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return withFraction ? `${text}.${pad(Math.floor(at % 1000), 3)}` : text;
}

class TimeScrubber extends HTMLElement {
  connectedCallback() {
    this.range = this.querySelector('input[type="range"]');
    this.clock = this.querySelector("[data-clock]");
    this.track = this.querySelector("[data-track]");
    this.hint = this.querySelector("[data-hint]");
    this.at = Number(this.dataset.atMs);
    this.read();
    this.addEventListener("keydown", this);
    this.addEventListener("keyup", this);
    this.range.addEventListener("input", this);
    this.range.addEventListener("change", this);
    this.addEventListener("htmx:afterSwap", this);
    for (const type of ["pointermove", "pointerleave"]) this.track.addEventListener(type, this);
    document.addEventListener("click", this);
    document.addEventListener("clock:at", this);
  }

  disconnectedCallback() {
    document.removeEventListener("click", this);
    document.removeEventListener("clock:at", this);
  }

  handleEvent(event) {
    if (event.type === "input") this.seek(this.momentAt(Number(this.range.value)));
    else if (event.type === "change") this.settle();
    else if (event.type === "keydown") this.pressed(event);
    else if (event.type === "keyup") this.released();
    else if (event.type === "clock:at") this.show(event.detail.at_ms);
    else if (event.type === "htmx:afterSwap") this.redrawn();
    else if (event.type === "pointermove") this.point(event);
    else if (event.type === "pointerleave") this.hint.hidden = true;
    else this.clicked(event);
  }

  /** What is drawn was fetched anew. A clock that stood at the end of a session that grew stands there still. */
  redrawn() {
    const wasAtEnd = this.at >= this.length;
    this.read();
    if (wasAtEnd) this.show(this.length);
  }

  /** Take up what is drawn. */
  read() {
    const knots = JSON.parse(this.querySelector("[data-knots]").dataset.knots);
    this.moments = knots.map(([moment]) => moment);
    this.places = knots.map(([, place]) => place);
    this.marks = [...this.querySelectorAll(".scrubber__mark")];
    settle(this.marks, this.marks.includes(document.activeElement) ? document.activeElement : this.marks[0]);
    this.range.max = this.places.at(-1);
    this.querySelector("[data-length]").textContent = clockText(this.length);
    this.show(this.at);
  }

  get length() {
    return this.moments.at(-1);
  }

  momentAt(place) {
    return Math.round(between(this.places, this.moments, place));
  }

  /** The pause that is drawn short around this moment, if there is one. */
  pauseAround(at) {
    const after = this.moments.findIndex((moment) => moment > at);
    if (after < 1) return null;
    const [from, to] = [this.moments[after - 1], this.moments[after]];
    // Where time is worked, the scale has a millisecond for each.
    return from < at && to - from > this.places[after] - this.places[after - 1] ? [from, to] : null;
  }

  pressed(event) {
    if (event.target !== this.range) return moveAmong(event, this.marks);
    const by = STEPS[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const step = STEPS_MS.find((length) => length * MOST_PRESSES >= this.places.at(-1)) ?? STEPS_MS.at(-1);
    const at = Math.min(Math.max(this.at + by * step, 0), this.length);
    // In a pause there is nothing to stop at: beyond it the work goes on.
    const pause = this.pauseAround(at);
    this.moved = true;
    this.seek(pause ? pause[by > 0 ? 1 : 0] : at);
  }

  /** A key that is held down moves the clock often, and the address once. */
  released() {
    if (this.moved) this.settle();
    this.moved = false;
  }

  clicked(event) {
    const link = event.target.closest("[data-seek]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.seek(Number(link.dataset.seek));
    this.settle(link.dataset.place ?? link.closest("[data-transcript] > .row")?.dataset.seq);
  }

  settle(place) {
    this.address();
    document.dispatchEvent(new CustomEvent("clock:settled", { detail: { at_ms: this.at, place } }));
  }

  seek(at) {
    this.show(at);
    document.dispatchEvent(new CustomEvent("clock:seek", { detail: { at_ms: at } }));
  }

  show(at) {
    this.at = at;
    this.range.value = between(this.moments, this.places, Math.min(Math.max(at, 0), this.length));
    this.range.setAttribute("aria-valuetext", [clockText(at), this.dayOf(at)].filter(Boolean).join(", "));
    this.clock.textContent = clockText(at);
    this.clock.title = this.dayOf(at);
  }

  /** The day, where the session has more than one of them. */
  dayOf(at) {
    const started = Number(this.dataset.startedMs);
    if (Math.floor(started / DAY_MS) === Math.floor((started + this.length) / DAY_MS)) return "";
    const said = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
    return new Date(started + at).toLocaleDateString("en-GB", said);
  }

  /** Say what stands under the pointer: the moment, the day, a pause or a terminal. */
  point({ clientX }) {
    const { left, width } = this.track.getBoundingClientRect();
    const share = Math.min(Math.max((clientX - left) / width, 0), 1);
    const at = this.momentAt(share * this.places.at(-1));
    const isUnder = (part) => {
      const box = part.getBoundingClientRect();
      return box.left <= clientX && clientX <= box.right;
    };
    const parts = [...this.querySelectorAll(".scrubber__break, .scrubber__span")].filter(isUnder);
    const names = parts.map(({ title }) => title);
    this.hint.textContent = [clockText(at), this.dayOf(at), ...names].filter(Boolean).join(" · ");
    this.hint.style.setProperty("--at", `${100 * share}%`);
    this.hint.hidden = false;
  }

  address() {
    const url = new URL(location.href);
    url.searchParams.set("t", clockText(this.at, true));
    // They would open the transcript elsewhere than at this moment.
    for (const name of ["at", "before", "after"]) url.searchParams.delete(name);
    url.hash = "";
    history.replaceState(history.state, "", url);
  }
}

customElements.define("time-scrubber", TimeScrubber);
