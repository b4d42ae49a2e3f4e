// <live-sections kind="session" refresh-url="/" data-whole> around several short lists that belong together: when something of
// its kind changed, the page is fetched again, at most every EVERY_MS, and each [data-section] that differs is replaced; a page that
// had nothing to show becomes another one. A hidden tab waits until it is looked at. Keyboard focus stays on the row it was on.

import { consoleConnection } from "scrollback/live";

const GATHER_MS = 120;
const EVERY_MS = 1_000;

class LiveSections extends HTMLElement {
  connectedCallback() {
    this.taken = -Infinity;
    for (const name of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) document.addEventListener(name, this);
    consoleConnection();
  }

  disconnectedCallback() {
    for (const name of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) document.removeEventListener(name, this);
    clearTimeout(this.timer);
  }

  handleEvent({ type, detail }) {
    if (type === "scrollback:refresh" || (type === "scrollback:changed" && detail.kind === this.getAttribute("kind"))) this.missed = true;
    if (document.hidden || this.timer || !this.missed) return;
    this.timer = setTimeout(() => this.compare(), Math.max(GATHER_MS, this.taken + EVERY_MS - performance.now()));
  }

  async compare() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.missed = false;
    this.taken = performance.now();
    const response = await fetch(this.getAttribute("refresh-url")).catch(() => null);
    // Offline or refused: the connection says so, and what it tells when it is back leads here again.
    if (!response?.ok || !this.isConnected) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("live-sections");
    if (!fresh) return;
    const sections = [...this.querySelectorAll("[data-section]")];
    const found = [...fresh.querySelectorAll("[data-section]")];
    if (sections.length !== found.length) return this.become(fresh);
    sections.forEach((section, place) => sameWords(section, found[place]) || this.replace(section, found[place]));
  }

  become(fresh) {
    this.replaceChildren(...fresh.childNodes);
    window.htmx.process(this);
  }

  replace(section, fresh) {
    const focused = section.contains(document.activeElement) ? document.activeElement.closest("[data-row]")?.dataset.id : undefined;
    section.replaceWith(fresh);
    window.htmx.process(fresh);
    if (focused) fresh.querySelector(`[data-row][data-id="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
  }
}

/** Relative times, the reader's choice and the form's own token differ without any news. */
function sameWords(shown, fresh) {
  const words = (section) => {
    const copy = section.cloneNode(true);
    for (const part of copy.querySelectorAll("relative-time, input[type=hidden]")) part.remove();
    for (const row of copy.querySelectorAll("[aria-selected]")) row.removeAttribute("aria-selected");
    return copy.textContent.replace(/\s+/g, " ") + [...copy.querySelectorAll("[data-row]")].map((row) => row.dataset.id);
  };
  return words(shown) === words(fresh);
}

customElements.define("live-sections", LiveSections);
