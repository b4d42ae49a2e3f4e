// The clock, and the box that takes its place when it is pressed: a moment is typed there, Enter goes to it.

import { clockText } from "scrollback/elements/time-scrubber";
import { readMoment } from "scrollback/terminal/moments";

// Of a recording that is shorter, whole seconds would say nothing.
const SHORT_US = 10_000_000;

export class ClockEntry {
  #atUs = 0;
  #endUs = 0;

  /** `root` holds the button [data-clock] and the form [data-clock-form]; `go(us)`. */
  constructor(root, go) {
    this.go = go;
    this.clock = root.querySelector("[data-clock]");
    this.form = root.querySelector("[data-clock-form]");
    this.box = this.form.querySelector("input");
    this.clock.addEventListener("click", () => this.#open());
    this.box.addEventListener("keydown", (event) => event.key === "Escape" && this.#close(event));
    this.box.addEventListener("input", () => this.#say(""));
    this.box.addEventListener("blur", () => this.box.value.trim() === this.before && this.#close());
    this.form.addEventListener("submit", (event) => this.#submit(event));
  }

  show(atUs, endUs) {
    this.#atUs = atUs;
    this.#endUs = endUs;
    const text = `${this.#text(atUs)} / ${this.#text(endUs)}`;
    if (this.clock.textContent !== text) this.clock.textContent = text;
  }

  #text(us) {
    return clockText(us / 1000, this.#endUs < SHORT_US);
  }

  #open() {
    this.form.hidden = false;
    this.clock.hidden = true;
    this.box.value = this.before = this.#text(this.#atUs);
    this.#say("");
    this.box.focus();
    this.box.select();
  }

  #close(event) {
    event?.preventDefault();
    event?.stopPropagation();
    const hadFocus = this.form.contains(document.activeElement);
    this.form.hidden = true;
    this.clock.hidden = false;
    if (hadFocus) this.clock.focus();
  }

  #submit(event) {
    event.preventDefault();
    const us = readMoment(this.box.value, this.#atUs, this.#endUs);
    if (us === null) return this.#say("Write 1:23:45, 90 (seconds), +30, -10 or 50%.");
    this.#close();
    this.go(us);
  }

  #say(problem) {
    this.box.setCustomValidity(problem);
    this.box.setAttribute("aria-invalid", String(Boolean(problem)));
    if (problem) this.box.reportValidity();
  }
}
