// What stands above the bar while it is pointed at: the moment, what happened there, and a small picture of the screen,
// which the server draws. One picture is on its way at a time and the last wanted one follows, so a fast hand asks for few.

import { isSignedOut } from "scrollback/failures";
import { shortClock } from "scrollback/terminal/moments";

const MOST_KEPT = 120;
// Longer ago than this the picture in the box is of somewhere else entirely.
const STALE_MS = 400;

export class Peek {
  #wanted = null;
  #loading = false;
  #kept = new Map();

  /** `version()` is the map's, "" before it is there. */
  constructor(box, { terminal, version }) {
    Object.assign(this, { box, terminal, version });
    this.picture = box.querySelector("[data-peek-picture]");
    this.label = box.querySelector("[data-peek-label]");
    this.clock = box.querySelector("[data-peek-clock]");
  }

  /** For the moment `us`, at `place` (0 to 1) of the bar; without a picture where the screen itself shows it. */
  show(us, place, label = "", { pictured = true } = {}) {
    this.box.hidden = false;
    this.box.style.setProperty("--place", place.toFixed(5));
    this.label.textContent = label;
    this.clock.textContent = shortClock(us);
    this.picture.hidden = !pictured;
    this.#wanted = pictured ? Math.round(us) : null;
    if (pictured && !this.#loading) this.#load();
  }

  hide() {
    this.box.hidden = true;
    this.#wanted = null;
  }

  async #load() {
    this.#loading = true;
    try {
      for (let us; (us = this.#wanted) !== null; ) {
        const address = `/terminals/${this.terminal}/screen?at_us=${us}&v=${this.version()}`;
        const html = this.#kept.get(address) ?? (await this.#fetch(address));
        if (!this.box.hidden) this.#draw(html);
        if (us === this.#wanted) break;
      }
    } finally {
      this.#loading = false;
    }
  }

  async #fetch(address) {
    const stale = setTimeout(() => this.#draw(""), this.picture.childElementCount ? STALE_MS : 0);
    const response = await fetch(address).catch(() => null);
    clearTimeout(stale);
    if (!response?.ok || isSignedOut(response)) return "";
    const html = await response.text();
    // What may still change is asked for again.
    if (response.headers.get("Cache-Control")?.includes("max-age")) this.#kept.set(address, html);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return html;
  }

  #draw(html) {
    this.picture.innerHTML = html;
  }
}
