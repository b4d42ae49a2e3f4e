// <live-list kind="session" rows-url="/sessions/shown/" refresh-url="/sessions/">: rows with data-id that changed are fetched again in
// place, from rows-url?ids=…, whose answer lacks those that are gone: these are taken away. After each connect the list is compared with
// refresh-url, since news may have been missed before it; shown rows that this answer lacks may stand on another page by now, and are
// asked for by their ids. Rows with data-session go and come back with that session. With a pill
// ([data-news], on a first page) the rows that only the answer has are counted on it and wait until it is pressed, so nothing moves under the
// reader. Only an empty list fills by itself. Whether a row that is not shown belongs to the list only the answer says: it is
// asked for about a row when that changes for the first time, and for the same rows again with growing rests. With every-ms, changes
// are fetched no more often than that. A hidden tab fetches nothing until it is looked at again.

import { consoleConnection } from "scrollback/live";

const GATHER_MS = 120;
// The whole list is asked for so often at most, and less often when it is slow to draw.
const EVERY_MS = 1_000;
const REST = 5;
// For rows that it was asked for before and that go on changing, the rest doubles up to this.
const LONGEST_REST_MS = 30_000;
const MOST_KNOWN = 1_000;

class LiveList extends HTMLElement {
  connectedCallback() {
    this.changed = new Set();
    this.unseen = new Set();
    // Rows that changed and are not shown: those that the list was not asked for yet, and those that it was.
    this.strangers = new Set();
    this.known = new Set();
    // Sessions in the trash that rows went with.
    this.gone = new Set();
    this.taken = this.next = this.done = -Infinity;
    this.rest = EVERY_MS;
    this.timer = 0;
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
    else if (type === "scrollback:changed" && detail.kind === this.getAttribute("kind")) this.note(detail.id);
    else if (type === "scrollback:changed" && detail.kind === "session") this.noteSession(detail);
    this.plan();
  }

  /** Of what goes or comes back with its session nothing else is told. */
  noteSession({ id, gone }) {
    if (!gone) this.missed ||= this.gone.delete(id);
    else for (const row of this.querySelectorAll(`[data-row][data-session="${CSS.escape(id)}"]`)) {
      this.changed.add(row.dataset.id);
      this.gone.add(id);
    }
  }

  note(id) {
    if (this.row(id)) this.changed.add(id);
    else if (!this.pill && rowsOf(this).length) return;
    else if (this.known.has(id)) this.isStale = true;
    else this.strangers.add(id);
  }

  get every() {
    return Number(this.getAttribute("every-ms"));
  }

  get pill() {
    return this.querySelector("[data-news]");
  }

  plan() {
    if (document.hidden || this.isAsking) return;
    const now = performance.now();
    const list = this.listDue(now);
    const rows = this.changed.size && !this.missed ? Math.max(now + GATHER_MS, this.taken + this.every) : Infinity;
    const due = Math.min(list, rows);
    if (due === Infinity || (this.timer && this.due <= due)) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => this.take(list <= rows), due - now);
  }

  /** When the whole list is to be asked for; Infinity while nothing needs it. */
  listDue(now) {
    if (this.missed) return Math.max(now, this.next);
    if (this.strangers.size) return Math.max(now + GATHER_MS, this.next);
    if (!this.isStale) return Infinity;
    if (now > this.done + 2 * this.rest) this.rest = EVERY_MS;
    return Math.max(now + GATHER_MS, this.next, this.done + this.rest);
  }

  take(isWhole) {
    this.timer = 0;
    if (document.hidden) return;
    if (isWhole) return this.compare();
    return this.update();
  }

  async update() {
    this.isAsking = true;
    this.taken = performance.now();
    const ids = [...this.changed].filter((id) => this.row(id));
    this.changed.clear();
    await this.renew(ids);
    this.isAsking = false;
    if (this.isConnected) this.plan();
  }

  /** Draws these rows as they are now, and takes those away that are gone. */
  async renew(ids) {
    const url = this.getAttribute("rows-url");
    if (!url || !ids.length) return;
    const text = await this.fetch(`${url}${url.includes("?") ? "&" : "?"}ids=${ids.join()}`);
    if (text === null || !this.isConnected) return;
    const template = document.createElement("template");
    template.innerHTML = text;
    const fresh = new Map(rowsOf(template.content).map((row) => [row.dataset.id, row]));
    const asked = ids.map((id) => this.row(id)).filter(Boolean);
    for (const row of asked) {
      const now = fresh.get(row.dataset.id);
      if (now && !sameRow(row, now)) replace(row, now);
    }
    this.takeAway(asked.filter((row) => !fresh.has(row.dataset.id)));
  }

  /** The focus, or the mark of the chosen row, goes to the one below that stays, else to the one above, else to the page's heading. */
  takeAway(gone) {
    if (!gone.length) return;
    const rows = rowsOf(this);
    const focused = gone.find((row) => row.contains(document.activeElement));
    const left = focused ?? gone.find((row) => row.hasAttribute("aria-selected"));
    const at = rows.indexOf(left);
    const next = left && [...rows.slice(at), ...rows.slice(0, at).reverse()].find((row) => !gone.includes(row));
    for (const row of gone) row.remove();
    if (focused) focusOn(next?.querySelector(".list__link") ?? document.querySelector("h1"));
    else next?.setAttribute("aria-selected", "true");
    this.querySelector("selection-count")?.show();
    // What an empty list says, or what moved up from the next page.
    if (gone.length === rows.length) this.missed = true;
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
    const isAgain = !this.missed && !this.strangers.size;
    if (this.known.size > MOST_KNOWN) this.known.clear();
    for (const id of this.strangers) this.known.add(id);
    this.strangers.clear();
    this.changed.clear();
    this.missed = this.isStale = false;
    this.isAsking = true;
    const asked = (this.taken = performance.now());
    const text = await this.fetch(this.getAttribute("refresh-url"));
    if (text !== null && this.isConnected) await this.show(new DOMParser().parseFromString(text, "text/html"));
    this.isAsking = false;
    if (!this.isConnected) return;
    this.done = performance.now();
    this.next = Math.max(asked + Math.max(EVERY_MS, this.every), this.done + REST * (this.done - asked));
    if (isAgain) this.rest = Math.min(2 * this.rest, LONGEST_REST_MS);
    this.plan();
  }

  async show(page) {
    const list = page.querySelector(`live-list[kind="${CSS.escape(this.getAttribute("kind"))}"]`);
    if (!list) return;
    if (!rowsOf(this).length) return this.become(list);
    const rows = rowsOf(list);
    const shown = rows.map((row) => this.row(row.dataset.id));
    // Where there are further pages, what stands below all that is shown moved up from there and is not new.
    const last = this.querySelector("[rel=next]") ? shown.findLastIndex(Boolean) : -1;
    const fresh = rows.filter((_, place) => !shown[place] && (last < 0 || place < last));
    this.unseen = new Set(fresh.map((row) => row.dataset.id));
    rows.forEach((row, place) => shown[place] && !sameRow(shown[place], row) && replace(shown[place], row));
    this.announce();
    const answered = new Set(rows.map((row) => row.dataset.id));
    await this.renew(rowsOf(this).map((row) => row.dataset.id).filter((id) => !answered.has(id)));
  }

  become(list) {
    // An empty list that says so already says it the same way.
    if (!rowsOf(list).length && !this.querySelector("nav-list")) return;
    this.replaceChildren(...list.childNodes);
    window.htmx.process(this);
  }

  row(id) {
    return this.querySelector(`[data-row][data-id="${CSS.escape(id)}"]`);
  }

  announce() {
    const { pill } = this;
    if (!pill) return;
    pill.querySelector("[data-news-count]").textContent = this.unseen.size;
    pill.hidden = !this.unseen.size;
  }
}

function rowsOf(list) {
  return [...list.querySelectorAll("[data-row]")];
}

function focusOn(goal) {
  if (goal?.matches("h1")) goal.tabIndex = -1;
  goal?.focus({ preventScroll: true });
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
