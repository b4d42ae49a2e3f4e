// What happened besides output, on the bar: markers, resizes and the exit as buttons that lead to their moments. The
// group is one stop of the Tab key; arrow keys go from one to the next.

import { moveAmong, settle } from "scrollback/roving";
import { shortClock } from "scrollback/terminal/moments";

// As wide as what one has to hit (static/css/pages/player.css).
const CLOSEST_PX = 24;
const MOST_TICKS = 300;
const ORDER = { resize: 0, marker: 1, exit: 2 };

export class Ticks {
  #drawn = "";

  /** `chosen(us)` when one is pressed, `pointed(us, label)` while one is pointed at or focused, `left()` afterwards. */
  constructor(group, { chosen, pointed, left }) {
    this.group = group;
    const tickOf = ({ target }) => target.closest("[data-us]");
    group.addEventListener("click", (event) => tickOf(event) && chosen(Number(tickOf(event).dataset.us)));
    group.addEventListener("keydown", (event) => moveAmong(event, [...group.children]));
    for (const name of ["pointerover", "focusin"]) {
      group.addEventListener(name, (event) => {
        const tick = tickOf(event);
        if (tick) pointed(Number(tick.dataset.us), tick.dataset.label);
      });
    }
    for (const name of ["pointerleave", "focusout"]) group.addEventListener(name, left);
  }

  /** `events`: {kind, us, label, failed} in the order of time. */
  draw(events, axis, width) {
    const shown = merged(events, axis, width);
    const drawn = shown.map(({ kind, us, label, place }) => [kind, us, label, place.toFixed(4)].join()).join("\n");
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const focused = this.group.contains(document.activeElement) ? document.activeElement.dataset.us : null;
    this.group.replaceChildren(...shown.map(button));
    const buttons = [...this.group.children];
    const current = buttons.find(({ dataset }) => dataset.us === focused) ?? buttons[0];
    settle(buttons, current);
    if (focused !== null) current?.focus({ preventScroll: true });
  }
}

/** Those of a kind that would cover each other become one, which says how many they are. */
function merged(events, axis, width) {
  const apart = Math.max(CLOSEST_PX / Math.max(width, 1), 1 / MOST_TICKS);
  const ticks = [];
  const last = {};
  for (const { kind, us, label, failed } of events) {
    const place = axis.place(us);
    const before = last[kind];
    if (before && place - before.place < apart) {
      before.count += 1;
      before.label = `${before.first} and ${before.count - 1} more`;
    } else ticks.push((last[kind] = { kind, us, label, place, failed, first: label, count: 1 }));
  }
  return ticks.sort((one, other) => one.place - other.place || ORDER[one.kind] - ORDER[other.kind]);
}

function button({ kind, us, label, place, failed }) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "tick";
  made.dataset.us = us;
  made.dataset.label = label;
  made.dataset.kind = kind;
  if (failed) made.dataset.failed = "true";
  made.setAttribute("aria-label", `${label}, at ${shortClock(us)}`);
  made.style.setProperty("--place", place.toFixed(5));
  return made;
}
