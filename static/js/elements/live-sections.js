// <live-sections kind="session" refresh-url="/" data-whole> around several short lists that belong together: when something of
// its kind changed, the page is fetched again, at most every EVERY_MS (at once after what the reader did: scrollback:own), and each [data-section] that differs is replaced; a page that
// had nothing to show becomes another one. With `rows` only what one of its rows shows counts, with `on` an event of the document as
// well, and with `page` the sections are those of the whole page, wherever they stand. A section in use waits until it is not. A
// hidden tab waits until it is looked at.

import { consoleConnection } from "scrollback/live";
import { rememberSections, replaceSections } from "scrollback/sections";

const GATHER_MS = 120;
const EVERY_MS = 1_000;
// A page that is slow to draw is asked for less often.
const REST = 5;

class LiveSections extends HTMLElement {
  connectedCallback() {
    this.next = -Infinity;
    this.abort = new AbortController();
    for (const name of ["scrollback:changed", "scrollback:refresh", "scrollback:own", "visibilitychange", this.getAttribute("on")]) {
      if (name) document.addEventListener(name, this, { signal: this.abort.signal });
    }
    rememberSections(this.hasAttribute("page") ? document : this);
    consoleConnection();
  }

  disconnectedCallback() {
    this.abort.abort();
    clearTimeout(this.timer);
    clearTimeout(this.waiting);
  }

  handleEvent({ type, detail }) {
    if (type !== "visibilitychange" && (type !== "scrollback:changed" || this.shows(detail))) this.missed = true;
    if (type === "scrollback:own") this.isUrgent = true;
    this.plan();
  }

  plan() {
    if (document.hidden || this.isAsking || !this.missed || (this.timer && !this.isUrgent)) return;
    clearTimeout(this.timer);
    const wait = this.isUrgent ? 0 : Math.max(GATHER_MS, this.next - performance.now());
    this.timer = setTimeout(() => this.compare(), wait);
  }

  shows({ kind, id }) {
    if (kind !== this.getAttribute("kind")) return false;
    return !this.hasAttribute("rows") || this.querySelector(`[data-row][data-id="${CSS.escape(id)}"]`) !== null;
  }

  async compare() {
    this.missed = this.isUrgent = false;
    this.isAsking = true;
    const asked = performance.now();
    try {
      const response = await fetch(this.getAttribute("refresh-url"), { signal: this.abort.signal });
      // Refused, as offline: the connection says so, and what it tells when it is back leads here again.
      if (response.ok) this.take(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch {
      // Offline, or this page was left.
    }
    const done = performance.now();
    this.next = Math.max(asked + EVERY_MS, done + REST * (done - asked));
    this.isAsking = false;
    this.timer = 0;
    this.plan();
  }

  take(page) {
    clearTimeout(this.waiting);
    const fresh = page.querySelector("live-sections");
    if (!fresh || !this.isConnected) return;
    const kept = this.hasAttribute("page") ? replaceSections(document, page) : replaceSections(this, fresh);
    if (kept === null) this.become(fresh);
    else if (kept) this.waiting = setTimeout(() => this.take(page), EVERY_MS);
  }

  become(fresh) {
    this.replaceChildren(...fresh.childNodes);
    window.htmx.process(this);
  }
}

customElements.define("live-sections", LiveSections);
