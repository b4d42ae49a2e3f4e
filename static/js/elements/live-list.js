// <live-list kind="session" row-url="/sessions/{id}/row/">: rows with data-id that changed are fetched again in place; rows that are
// not shown are counted on the "3 new" pill ([data-news]) and wait until it is pressed, so nothing moves under the reader.
// With an empty list there is nothing to move, so the first rows come by themselves: refresh-url replaces the element.
// After a reconnect every shown row is fetched once more by refresh-url, because news may have been missed.

import { consoleConnection } from "scrollback/live";

const GATHER_MS = 120;

class LiveList extends HTMLElement {
  connectedCallback() {
    this.changed = new Map();
    this.unseen = new Set();
    this.connected = document.documentElement.dataset.live === "connected";
    document.addEventListener("scrollback:changed", this);
    document.addEventListener("scrollback:connected", this);
    consoleConnection();
  }

  disconnectedCallback() {
    document.removeEventListener("scrollback:changed", this);
    document.removeEventListener("scrollback:connected", this);
    clearTimeout(this.timer);
  }

  handleEvent({ type, detail }) {
    if (type === "scrollback:connected") {
      // The first connection follows the page itself: nothing can have been missed in between but what it tells.
      if (this.connected) this.refresh();
      this.connected = true;
    } else if (detail.kind === this.getAttribute("kind")) {
      this.changed.set(detail.id, detail);
      this.timer ||= setTimeout(() => this.take(), GATHER_MS);
    }
  }

  take() {
    this.timer = 0;
    const changes = [...this.changed.keys()];
    this.changed.clear();
    for (const id of changes) {
      const row = this.querySelector(`[data-id="${CSS.escape(id)}"]`);
      if (row) this.fetchRow(row, id);
      else this.unseen.add(id);
    }
    if (this.unseen.size && !this.querySelector("[data-id]")) this.refresh();
    else this.announce();
  }

  fetchRow(row, id) {
    const url = this.getAttribute("row-url")?.replace("{id}", encodeURIComponent(id));
    if (url) window.htmx.ajax("GET", url, { target: row, swap: "outerHTML" });
    else this.refresh();
  }

  refresh() {
    const url = this.getAttribute("refresh-url");
    if (url) window.htmx.ajax("GET", url, { target: this, swap: "outerHTML" });
  }

  announce() {
    const pill = this.querySelector("[data-news]");
    if (!pill) return;
    pill.querySelector("[data-news-count]").textContent = this.unseen.size;
    pill.hidden = !this.unseen.size;
  }
}

customElements.define("live-list", LiveList);
