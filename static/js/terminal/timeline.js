// The bar: the time of a recording from its start to its end, with what was written when, what else happened, where the
// hits of a search are, and one head that is dragged. It moves at once and tells where to; whoever draws the screen follows.

import { drawActivity } from "scrollback/terminal/activity-plot";
import { lengthText, shortClock } from "scrollback/terminal/moments";
import { Ticks } from "scrollback/terminal/ticks";
import { TimeAxis } from "scrollback/terminal/time-axis";

const STEPS = 1_000;
// A recording that grows shifts everything on the bar; often enough to be seen, seldom enough to be cheap.
const REDRAW_MS = 250;
const STEP_US = 5_000_000;

export class Timeline {
  #axis = new TimeAxis(0, []);
  #shown = { activity: [], events: [], hits: [], shortensPauses: true };
  #drawnAt = -Infinity;
  #timer = 0;
  #width = 0;

  /** `go(us)` for moments on the bar, Infinity for its end; `seek(us)` for what happened; `peek` is a Peek or null. */
  constructor(root, { go, seek, peek, signal }) {
    Object.assign(this, { root, go, peek });
    const part = (name) => root.querySelector(`[data-${name}]`);
    this.bar = part("seek-bar");
    this.plot = part("plot");
    this.played = part("plot-played");
    this.hitLines = part("hits");
    this.ticks = new Ticks(part("ticks"), {
      chosen: (us) => seek(us),
      pointed: (us, label) => this.peek?.show(us, this.#axis.place(us), label),
      left: () => this.peek?.hide(),
    });
    this.bar.addEventListener("input", () => this.#dragged());
    this.bar.addEventListener("keydown", (event) => this.#pressed(event));
    root.addEventListener("pointermove", (event) => this.#pointed(event));
    for (const name of ["pointerleave", "pointercancel"]) root.addEventListener(name, () => this.peek?.hide());
    root.addEventListener("pointerup", ({ pointerType }) => pointerType !== "mouse" && this.peek?.hide());
    this.observer = new ResizeObserver(() => this.#redraw());
    this.observer.observe(root);
    signal.addEventListener("abort", () => {
      this.observer.disconnect();
      clearTimeout(this.#timer);
    });
  }

  /** `activity` and `events` as in the player's map; arrays that did not change must be the same arrays. */
  show({ atUs, endUs, ...shown }) {
    this.atUs = atUs;
    const changed = endUs !== this.endUs || Object.entries(shown).some(([name, value]) => value !== this.#shown[name]);
    this.endUs = endUs;
    Object.assign(this.#shown, shown);
    if (!changed) return this.#moveHead();
    // The drawing may wait; where a moment stands must be right at once, or the first drag leads nowhere.
    this.#measure();
    this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    const wait = this.#drawnAt + REDRAW_MS - performance.now();
    if (wait <= 0) this.#redraw();
    else this.#timer = setTimeout(() => this.#redraw(), wait);
  }

  #redraw() {
    // Sized before there is anything to show.
    if (this.endUs === undefined) return;
    const { activity } = this.#shown;
    this.#drawnAt = performance.now();
    if (this.bar.matches(":active")) return this.#later();
    this.#measure();
    this.#width = this.plot.clientWidth;
    const height = this.plot.clientHeight;
    if (!this.#width || !height) return;
    const drawing = { axis: this.#axis, activity, width: this.#width, height };
    for (const plot of [this.plot, this.played]) drawActivity(plot, drawing);
    this.ticks.draw(this.#shown.events.map(described), this.#axis, this.#width);
    this.#drawHits();
    this.#moveHead();
  }

  #measure() {
    const { activity, shortensPauses } = this.#shown;
    // A bar that changes under the finger leads elsewhere than where it was put.
    if (!this.bar.matches(":active")) this.#axis = new TimeAxis(this.endUs, activity, { shortensPauses });
  }

  #drawHits() {
    const width = this.#width;
    const places = new Set(this.#shown.hits.map((us) => Math.round(this.#axis.place(us) * width)));
    this.hitLines.setAttribute("viewBox", `0 0 ${width} 1`);
    this.hitLines.querySelector("path").setAttribute("d", [...places].map((x) => `M${Math.min(Math.max(x, 1), width - 1)} 0v1`).join(""));
  }

  #moveHead() {
    const place = this.#axis.place(this.atUs);
    if (!this.bar.matches(":active")) this.bar.value = place * STEPS;
    this.root.style.setProperty("--head", `${(place * 100).toFixed(3)}%`);
    const words = `${shortClock(this.atUs)} of ${shortClock(this.endUs)}`;
    if (this.words !== words) this.bar.setAttribute("aria-valuetext", (this.words = words));
  }

  #dragged() {
    // The recording may have grown under the hand: the end of the bar is its end, wherever that is by now.
    const us = Number(this.bar.value) >= STEPS ? Infinity : this.#axis.moment(this.bar.value / STEPS);
    this.root.style.setProperty("--head", `${this.bar.value / (STEPS / 100)}%`);
    this.go(us);
  }

  #pointed({ clientX, target, pointerType, buttons }) {
    if (target.closest("[data-us]") || (pointerType !== "mouse" && !buttons)) return;
    const box = this.root.getBoundingClientRect();
    const place = Math.min(Math.max((clientX - box.left) / box.width, 0), 1);
    const us = this.#axis.moment(place);
    const pause = this.#axis.pauses.find(([from, to]) => from < us && us < to);
    this.peek?.show(us, place, pause ? `Nothing for ${lengthText(pause[1] - pause[0])}` : "", {
      pictured: pointerType === "mouse",
    });
  }

  #pressed(event) {
    const tenth = this.endUs / 10;
    const steps = { ArrowLeft: -STEP_US, ArrowDown: -STEP_US, ArrowRight: STEP_US, ArrowUp: STEP_US, PageUp: tenth, PageDown: -tenth };
    const us = { Home: 0, End: Infinity }[event.key] ?? (event.key in steps ? this.atUs + steps[event.key] : null);
    if (us === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.go(us);
  }
}

function described({ kind, atUs, text }) {
  if (kind === "marker") return { kind, us: atUs, label: `Marker “${text.slice(0, 120) || "without a name"}”` };
  if (kind === "resize") return { kind, us: atUs, label: `Window ${text.replace("x", " × ")}` };
  return { kind, us: atUs, label: text === "" ? "Ended" : `Exit ${text}`, failed: Number(text) !== 0 };
}
