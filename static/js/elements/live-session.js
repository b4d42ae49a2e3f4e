// <live-session session through rows-url [read-url] [at] [detached]> around a transcript: on news it fetches the rows after `through`
// and appends them. A reader at the end stays at the end; anybody else is told "3 new" and keeps their place.
// `at` is the row the page was opened for; `detached` says that later rows are not shown yet, so nothing can be
// appended: then news only moves the header. `from-top` opens the page at its top, `#newest` at its end. The cursor is a place on the
// timeline, so after a reconnect nothing is missed and nothing comes twice. Sets data-live on itself: connecting, connected, offline or
// closed. Dispatches session:grown on the document when it has looked.

import { insertRows, parseRows, replaceRow } from "scrollback/elements/transcript-rows";
import { replacePart } from "scrollback/sections";
import { SessionSocket } from "scrollback/session-socket";

const NEAR_PX = 120;
const READ_AFTER_MS = 800;
const MOST_ROWS = 400;

class LiveSession extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("[data-transcript]");
    this.pill = this.querySelector(":scope > [data-new]");
    this.cursor = Number(this.getAttribute("through"));
    this.seen = 0;
    this.unseen = 0;
    this.abort = new AbortController();
    const options = { signal: this.abort.signal };
    this.addEventListener("transcript:attached", ({ detail }) => this.attached(detail), options);
    this.addEventListener("transcript:replaced", ({ detail }) => this.replaced(detail), options);
    this.pill.addEventListener("click", (event) => this.pressed(event), options);
    document.addEventListener("click", (event) => this.jumped(event), options);
    document.addEventListener("scroll", () => this.scrolled(), { ...options, passive: true });
    document.addEventListener("visibilitychange", () => this.markRead(), options);
    this.connection = new SessionSocket(this.getAttribute("session"), {
      cursor: () => this.cursor,
      news: () => this.fetchNews(),
      show: (state) => (this.dataset.live = state),
      gone: () => this.gone(),
    });
    this.show();
    this.connection.start();
    this.markRead();
  }

  disconnectedCallback() {
    this.abort.abort();
    this.connection.stop();
    clearTimeout(this.reading);
  }

  /** The row that was looked for in the middle, else the end. */
  show() {
    const at = this.hasAttribute("at") ? document.getElementById(`seq-${this.getAttribute("at")}`) : null;
    const hash = /^#seq-\d+$/.test(location.hash) ? document.querySelector(location.hash) : null;
    const row = at ?? hash;
    if (row) {
      this.find(row);
      // A link to a row is a link to what it holds. One to a moment only says where to read on.
      if (hash || /[?&]at=/.test(location.search)) this.unfold(row);
    } else if (/^#seq-\d+$/.test(location.hash) && !this.hasAttribute("at")) {
      // The row stands on another page of the transcript; only the server finds it.
      const url = new URL(location.href);
      url.search = new URLSearchParams([...url.searchParams].filter(([name]) => name === "run"));
      url.searchParams.set("at", location.hash.slice("#seq-".length));
      location.replace(url);
    } else if (location.hash === "#newest") this.toEnd();
    else if (!this.matches("[detached], [from-top]") && !location.hash && !/[?&](before|after)=/.test(location.search)) this.toEnd();
  }

  find(row) {
    this.querySelector("[data-found]")?.removeAttribute("data-found");
    row.dataset.found = "";
    row.scrollIntoView({ block: "center" });
  }

  /** Opens a call, or what is folded whole; not the reasoning beside a message that is read as it stands. */
  unfold(row) {
    const fold = row.querySelector("details:not(.menu, .reasoning)");
    if (fold) fold.open = true;
  }

  /** A link to a row that is here already needs no other page. */
  jumped(event) {
    const link = event.target.closest("[data-jump]");
    const row = link && document.getElementById(`seq-${link.dataset.jump}`);
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(history.state, "", link.href);
    this.find(row);
  }

  gone() {
    clearTimeout(this.reading);
    this.removeAttribute("read-url");
  }

  /** One look at a time; news that come meanwhile ask for another. */
  async fetchNews() {
    if (this.fetching) {
      this.again = true;
      return;
    }
    this.fetching = true;
    do {
      this.again = false;
      try {
        await this.look();
      } catch {
        // The socket will tell again; the cursor has not moved.
        this.failedLooks = (this.failedLooks ?? 0) + 1;
        if (this.failedLooks > 3) break;
        this.again = true;
        await new Promise((resolve) => setTimeout(resolve, 300 * this.failedLooks));
      }
    } while (this.again && this.isConnected);
    this.fetching = false;
  }

  async look() {
    const url = new URL(this.getAttribute("rows-url"), document.baseURI);
    url.searchParams.set("after", this.cursor);
    const response = await fetch(url, { headers: { "HX-Request": "true" }, signal: this.abort.signal });
    if (!response.ok) throw new Error(String(response.status));
    this.failedLooks = 0;
    this.take(parseRows(await response.text()));
  }

  take(found) {
    document.dispatchEvent(new CustomEvent("session:grown"));
    const wasAtEnd = this.isAtEnd();
    for (const row of found.changed) replaceRow(row);
    for (const part of found.replacing) {
      const old = document.getElementById(part.id);
      if (old) replacePart(old, part);
    }
    this.cursor = Math.max(this.cursor, found.through);
    if (this.hasAttribute("detached")) {
      this.unseen += found.rows.length;
    } else {
      const fresh = insertRows(this.list, found.rows, "end");
      if (fresh.length) this.querySelector(".empty")?.remove();
      if (wasAtEnd) this.trim();
      else this.unseen += fresh.length;
    }
    if (found.later !== null) this.again = true;
    if (wasAtEnd && !this.hasAttribute("detached")) this.toEnd();
    this.announce();
    this.markRead();
  }

  /** A page that is left open for days does not grow without end: the earliest rows go where "Earlier" finds them. */
  trim() {
    const rows = this.list.children;
    if (rows.length <= MOST_ROWS) return;
    while (rows.length > MOST_ROWS) rows[0].remove();
    const nav = this.querySelector("[data-earlier]");
    const link = nav.querySelector("a");
    const address = new URL(link.href);
    address.searchParams.set("before", rows[0].dataset.seq);
    link.href = address.search;
    nav.hidden = false;
  }

  /** Other rows are shown: the end of the transcript, or what may be far from it. */
  replaced(found) {
    if (found.later === null) this.attached(found);
    else this.setAttribute("detached", "");
  }

  attached({ through }) {
    this.removeAttribute("detached");
    this.cursor = Math.min(this.cursor, through ?? this.cursor);
    this.unseen = 0;
    this.announce();
    this.fetchNews();
  }

  announce() {
    this.pill.hidden = !this.unseen;
    this.pill.querySelector("[data-new-text]").textContent = `${this.unseen} new`;
  }

  pressed(event) {
    if (this.hasAttribute("detached")) return;
    event.preventDefault();
    this.toEnd();
    this.scrolled();
  }

  scrolled() {
    if (!this.unseen || this.hasAttribute("detached") || !this.isAtEnd()) return;
    this.unseen = 0;
    this.announce();
    this.markRead();
  }

  isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = document.scrollingElement;
    return scrollHeight - scrollTop - clientHeight <= NEAR_PX;
  }

  toEnd() {
    document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight;
  }

  /** The person has seen what there is, once it was on the screen for a moment. */
  markRead() {
    clearTimeout(this.reading);
    // A page of one run shows a part only, and says nothing about the session.
    if (!this.hasAttribute("read-url")) return;
    if (document.hidden || this.unseen || this.hasAttribute("detached") || this.cursor <= this.seen) return;
    this.reading = setTimeout(() => this.postRead(), READ_AFTER_MS);
  }

  async postRead() {
    const seq = this.cursor;
    const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
    const body = new URLSearchParams({ seq: String(seq) });
    try {
      const response = await fetch(this.getAttribute("read-url"), { method: "POST", headers: { ...headers, "HX-Request": "true" }, body });
      if (response.ok) this.seen = seq;
    } catch {
      // Offline: the next look marks it.
    }
  }
}

customElements.define("live-session", LiveSession);
