// <log-news src="/audit/news/?q=…" newest="41"> around the audit log's list: how many entries match that are newer than
// `newest`, on the "3 new" pill ([data-news]). Entries never change, so the list itself stays as it is until the pill
// is pressed. Asks once a second at most, only when the log grew, and not in a hidden tab.

import { consoleConnection } from "scrollback/live";

const EVERY_MS = 1000;
const GATHER_MS = 120;

class LogNews extends HTMLElement {
  connectedCallback() {
    this.asked = -Infinity;
    for (const type of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) {
      document.addEventListener(type, this);
    }
    consoleConnection();
  }

  disconnectedCallback() {
    for (const type of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) {
      document.removeEventListener(type, this);
    }
    clearTimeout(this.timer);
  }

  handleEvent({ type, detail }) {
    if (type === "scrollback:refresh" || (type === "scrollback:changed" && detail.kind === "audit")) this.isDue = true;
    if (!this.isDue || this.timer || document.hidden) return;
    this.timer = setTimeout(() => this.ask(), Math.max(GATHER_MS, this.asked + EVERY_MS - performance.now()));
  }

  async ask() {
    this.asked = performance.now();
    this.isDue = false;
    const url = new URL(this.getAttribute("src"), document.baseURI);
    url.searchParams.set("newer_than", this.getAttribute("newest"));
    const count = await fetchCount(url);
    this.timer = 0;
    if (count !== null && this.isConnected) this.announce(count);
    // What came meanwhile is asked for in its turn.
    if (this.isDue) this.handleEvent({ type: "visibilitychange" });
  }

  announce(count) {
    const pill = this.querySelector("[data-news]");
    pill.querySelector("[data-news-count]").textContent = count;
    pill.hidden = !count;
  }
}

/** null when there is no answer: the next connection asks again. */
async function fetchCount(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok && !response.redirected ? (await response.json()).count : null;
  } catch {
    return null;
  }
}

customElements.define("log-news", LogNews);
