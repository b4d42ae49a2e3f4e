// <live-list kind="session" row-url="/sessions/{id}/row/" refresh-url="/sessions/">: a row with data-id that changed is fetched again
// in place; rows that are not shown are counted on the "3 new" pill ([data-news]) and wait until it is pressed, so
// nothing moves under the reader. Only an empty list fills by itself. After each connect the list is compared
// with refresh-url, since news may have been missed before it. With every-ms, changes are fetched no more often than that.
// A live-list may stand inside another: each minds its own rows.

import { consoleConnection } from "scrollback/live";

const GATHER_MS = 120;

class LiveList extends HTMLElement {
  connectedCallback() {
    this.changed = new Set();
    this.unseen = new Set();
    this.taken = -Infinity;
    document.addEventListener("scrollback:changed", this);
    document.addEventListener("scrollback:refresh", this);
    consoleConnection();
  }

  disconnectedCallback() {
    document.removeEventListener("scrollback:changed", this);
    document.removeEventListener("scrollback:refresh", this);
    clearTimeout(this.timer);
  }

  handleEvent({ type, detail }) {
    if (type === "scrollback:refresh") this.compare();
    else if (detail.kind === this.getAttribute("kind")) {
      this.changed.add(detail.id);
      this.timer ||= setTimeout(() => this.take(), Math.max(GATHER_MS, this.taken + this.every - performance.now()));
    }
  }

  get every() {
    return Number(this.getAttribute("every-ms"));
  }

  take() {
    this.timer = 0;
    this.taken = performance.now();
    const ids = [...this.changed];
    this.changed.clear();
    const url = this.getAttribute("row-url");
    if (!url || !rowsOf(this).length) return this.compare();
    for (const id of ids) {
      const row = this.row(id);
      if (row) window.htmx.ajax("GET", url.replace("{id}", encodeURIComponent(id)), { target: row, swap: "outerHTML" });
      else this.unseen.add(id);
    }
    this.announce();
  }

  async compare() {
    const url = this.getAttribute("refresh-url");
    if (!url) return;
    const response = await fetch(url);
    if (!response.ok || !this.isConnected) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const list = fresh.querySelector(`live-list[kind="${CSS.escape(this.getAttribute("kind"))}"]`);
    if (!list) return;
    if (!rowsOf(this).length) return this.become(list);
    for (const row of rowsOf(list)) {
      const shown = this.row(row.dataset.id);
      if (!shown) this.unseen.add(row.dataset.id);
      else if (!sameRow(shown, row)) replace(shown, row);
    }
    this.announce();
  }

  become(list) {
    if (!rowsOf(list).length) return;
    this.replaceChildren(...list.childNodes);
    window.htmx.process(this);
  }

  row(id) {
    return rowsOf(this).find((row) => row.dataset.id === id);
  }

  announce() {
    const pill = this.querySelector("[data-news]");
    if (!pill) return;
    pill.querySelector("[data-news-count]").textContent = this.unseen.size;
    pill.hidden = !this.unseen.size;
  }
}

function rowsOf(list) {
  return [...list.querySelectorAll("[data-row]")].filter((row) => row.closest("live-list") === list);
}

// Relative times and the reader's choice differ without any news.
function sameRow(shown, fresh) {
  const words = (row) => {
    const copy = row.cloneNode(true);
    for (const time of copy.querySelectorAll("relative-time")) time.remove();
    copy.removeAttribute("aria-selected");
    return copy.outerHTML.replace(/ class="[^"]*htmx[^"]*"/g, "");
  };
  return words(shown) === words(fresh);
}

function replace(shown, fresh) {
  const chosen = shown.getAttribute("aria-selected");
  const ticked = shown.querySelector(".list__select")?.checked;
  const focused = shown.contains(document.activeElement);
  shown.replaceWith(fresh);
  if (chosen) fresh.setAttribute("aria-selected", chosen);
  if (ticked) fresh.querySelector(".list__select").checked = true;
  if (focused) fresh.querySelector(".list__link")?.focus({ preventScroll: true });
  window.htmx.process(fresh);
}

customElements.define("live-list", LiveList);
