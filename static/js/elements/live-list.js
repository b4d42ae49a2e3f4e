// <live-list kind="session" row-url="/sessions/{id}/row/" refresh-url="/sessions/">: a row with data-id that changed is fetched again
// in place; rows that are not shown are counted on the "3 new" pill ([data-news]) and wait until it is pressed, so
// nothing moves under the reader. Only an empty list fills by itself. After each connect the list is compared
// with refresh-url, since news may have been missed before it. With every-ms, changes are fetched no more often than that,
// and several at once by one request. A hidden tab fetches nothing until it is looked at again.

import { consoleConnection } from "scrollback/live";

const GATHER_MS = 120;
// So many rows are fetched one by one; more of them by comparing the whole list.
const FEW_ROWS = 3;

class LiveList extends HTMLElement {
  connectedCallback() {
    this.changed = new Set();
    this.unseen = new Set();
    this.taken = -Infinity;
    document.addEventListener("scrollback:changed", this);
    document.addEventListener("scrollback:refresh", this);
    document.addEventListener("visibilitychange", this);
    consoleConnection();
  }

  disconnectedCallback() {
    document.removeEventListener("scrollback:changed", this);
    document.removeEventListener("scrollback:refresh", this);
    document.removeEventListener("visibilitychange", this);
    clearTimeout(this.timer);
  }

  handleEvent({ type, detail }) {
    if (type === "scrollback:refresh") this.missed = true;
    else if (type === "scrollback:changed" && detail.kind === this.getAttribute("kind")) this.changed.add(detail.id);
    this.plan();
  }

  get every() {
    return Number(this.getAttribute("every-ms"));
  }

  plan() {
    if (document.hidden || this.timer || !(this.missed || this.changed.size)) return;
    const wait = this.missed ? 0 : Math.max(GATHER_MS, this.taken + this.every - performance.now());
    this.timer = setTimeout(() => this.take(), wait);
  }

  take() {
    this.timer = 0;
    if (document.hidden) return;
    this.taken = performance.now();
    const ids = [...this.changed];
    this.changed.clear();
    const shown = ids.map((id) => this.row(id)).filter(Boolean);
    const url = this.getAttribute("row-url");
    const isEmpty = !rowsOf(this).length;
    if (!isEmpty && url) for (const id of ids) if (!this.row(id)) this.unseen.add(id);
    if (this.missed || isEmpty || !url || shown.length > FEW_ROWS) {
      this.missed = false;
      return this.compare();
    }
    for (const row of shown) this.renew(row, url.replace("{id}", encodeURIComponent(row.dataset.id)));
    this.announce();
  }

  async renew(row, url) {
    const text = await this.fetch(url);
    if (text === null || !row.isConnected) return;
    const template = document.createElement("template");
    template.innerHTML = text;
    const fresh = template.content.querySelector("[data-row]");
    if (!fresh) row.remove();
    else if (!sameRow(row, fresh)) replace(row, fresh);
  }

  /** The answer's text; null when there is none. The next connection compares everything, so that nothing is missed. */
  async fetch(url) {
    try {
      const response = await fetch(url);
      return response.ok && !response.redirected ? await response.text() : null;
    } catch {
      return null;
    }
  }

  async compare() {
    const url = this.getAttribute("refresh-url");
    if (!url) return;
    const text = await this.fetch(url);
    if (text === null || !this.isConnected) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
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
  return [...list.querySelectorAll("[data-row]")];
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
