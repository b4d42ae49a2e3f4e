// <transcript-pages rows-url>: the links to earlier and later rows fetch them in place, by a press or by coming near, and what is being
// read stays where it is. j and k choose a row, o opens what is folded in it. Without script the links open pages.

import { ClockRow } from "scrollback/elements/clock-row";
import { clockText } from "scrollback/elements/time-scrubber";
import { insertRows, parseRows } from "scrollback/elements/transcript-rows";
import { tellOfFetch } from "scrollback/failures";

class TranscriptPages extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("[data-transcript]");
    /** By direction, the request that is under way. */
    this.loading = {};
    this.links = {
      earlier: this.querySelector(":scope > [data-earlier]"),
      later: this.querySelector(":scope > [data-later]"),
    };
    this.clockRow = new ClockRow(this.list, (at) => this.loadAround(at));
    this.addEventListener("click", this);
    // Nothing is put in front of a page that opens at its top before one has moved: it would push away what one reads.
    document.addEventListener("scroll", this, { once: true, passive: true });
    for (const type of ["rows:next", "rows:previous", "rows:peek"]) document.addEventListener(type, this);
    this.observer = new IntersectionObserver((entries) => this.near(entries), { rootMargin: "600px 0px" });
    // The page is first put where it is to be read: a link that passes by meanwhile was not come near to.
    requestAnimationFrame(() => requestAnimationFrame(() => this.watch()));
  }

  disconnectedCallback() {
    this.clockRow.stop();
    this.observer.disconnect();
    for (const type of ["scroll", "rows:next", "rows:previous", "rows:peek"]) document.removeEventListener(type, this);
  }

  began() {
    this.moved = true;
    this.watch();
  }

  watch() {
    const { earlier, later } = this.links;
    for (const link of this.moved ? [earlier, later] : [later]) if (link && !link.hidden) this.observer.observe(link);
  }

  near(entries) {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) this.load(target === this.links.earlier ? "earlier" : "later");
    }
  }

  handleEvent(event) {
    if (event.type === "scroll") this.began();
    else if (event.type === "rows:next") this.move(1, event);
    else if (event.type === "rows:previous") this.move(-1, event);
    else if (event.type === "rows:peek") this.toggle(event);
    else this.clicked(event);
  }

  clicked(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("[data-earlier] a, [data-later] a[href^='?after']");
    if (!link) return;
    event.preventDefault();
    this.load(link.closest("[data-earlier]") ? "earlier" : "later", true);
  }

  async load(direction, isByHand = false) {
    const nav = this.links[direction];
    // Coming near asks first, and says nothing when it fails: whoever presses meanwhile wants to know.
    if (this.loading[direction]) this.loading[direction].isByHand ||= isByHand;
    if (this.loading[direction] || nav.hidden) return;
    const request = (this.loading[direction] = { isByHand });
    this.observer.unobserve(nav);
    nav.setAttribute("aria-busy", "true");
    const anchor = nav.querySelector("a");
    const { href } = anchor;
    let response = null;
    let failed = false;
    try {
      const asked = new URL(href).searchParams;
      const url = new URL(this.getAttribute("rows-url"), document.baseURI);
      const name = direction === "earlier" ? "before" : "after";
      url.searchParams.set(name, asked.get(name));
      response = await fetch(url, { headers: { "HX-Request": "true" } });
      if (!response.ok) throw new Error(String(response.status));
      const found = parseRows(await response.text());
      // Other rows may have taken their place meanwhile: these do not belong beside them.
      if (anchor.href === href) this.take(direction, found, anchor, name);
    } catch {
      failed = true;
    }
    nav.removeAttribute("aria-busy");
    this.loading[direction] = null;
    if (!failed) requestAnimationFrame(() => this.watch());
    // The link still leads there as a page.
    else if (request.isByHand) tellOfFetch(response?.ok ? null : response, anchor, () => this.load(direction, true));
  }

  take(direction, found, anchor, name) {
    const place = document.scrollingElement;
    const fromEnd = place.scrollHeight - place.scrollTop;
    insertRows(this.list, found.rows, direction === "earlier" ? "start" : "end");
    if (direction === "earlier") place.scrollTop = place.scrollHeight - fromEnd;
    const next = direction === "earlier" ? found.earlier : found.later;
    this.links[direction].hidden = next === null;
    if (next !== null) {
      const address = new URL(anchor.href);
      address.searchParams.set(name, next);
      anchor.href = address.search;
    } else if (direction === "later") this.dispatchEvent(new CustomEvent("transcript:attached", { bubbles: true, detail: found }));
  }

  /** The rows around this moment instead of those that are here; the newest wish counts. A Promise of whether they came. */
  async loadAround(at) {
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    const url = new URL(this.getAttribute("rows-url"), document.baseURI);
    url.searchParams.set("t", clockText(at, true));
    try {
      const response = await fetch(url, { headers: { "HX-Request": "true" }, signal });
      if (!response.ok) throw response;
      const found = parseRows(await response.text());
      if (signal.aborted) return false;
      this.replace(found);
      return true;
    } catch (problem) {
      if (!signal.aborted) tellOfFetch(problem instanceof Response ? problem : null, document.activeElement, () => this.loadAround(at));
      return false;
    }
  }

  replace(found) {
    this.observer.disconnect();
    this.list.replaceChildren();
    insertRows(this.list, found.rows, "end");
    for (const [direction, name] of [["earlier", "before"], ["later", "after"]]) {
      const anchor = this.links[direction].querySelector("a");
      const next = found[direction];
      this.links[direction].hidden = next === null;
      if (next === null) continue;
      const address = new URL(anchor.href);
      address.searchParams.set(name, next);
      anchor.href = address.search;
    }
    this.dispatchEvent(new CustomEvent("transcript:replaced", { bubbles: true, detail: found }));
    requestAnimationFrame(() => requestAnimationFrame(() => this.watch()));
  }

  get rows() {
    return [...this.list.querySelectorAll(":scope > .row:not([data-bare])")];
  }

  get current() {
    return this.list.querySelector(':scope > .row[aria-current="true"]') ?? document.activeElement?.closest?.("[data-transcript] > .row");
  }

  move(step, event) {
    const rows = this.rows;
    if (!rows.length) return;
    event.preventDefault();
    const at = rows.indexOf(this.current);
    const inView = rows.findLast((row) => row.getBoundingClientRect().top < innerHeight) ?? rows[0];
    const row = at < 0 ? inView : rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    this.current?.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    const focus = row.querySelector("summary") ?? row;
    if (focus === row) row.tabIndex = -1;
    focus.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  toggle(event) {
    const fold = this.current?.querySelector("details:not(.menu)");
    if (!fold) return;
    event.preventDefault();
    fold.open = !fold.open;
  }
}

customElements.define("transcript-pages", TranscriptPages);
