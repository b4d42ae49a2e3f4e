// The search inside one terminal: a box, what it found as a list and on the bar, and the way from hit to hit. What is
// searched for stands in the address, so that the link can be shared.

import { tellIfSignedOut } from "scrollback/terminal/answers";
import { HitList } from "scrollback/terminal/hit-list";
import { shortClock } from "scrollback/terminal/moments";
import { searchTerminal } from "scrollback/terminal/terminal-search";

const TYPING_MS = 250;
// Text is listed at most so far behind where it was written (sessions_app/actions/terminals/moments.py).
const LISTED_BYTES = 64 * 1024;
// What is shown before the hit of a link, where the first hits of the recording do not reach it.
const BEFORE_BYTES = 16 * 1024;

export class SearchPanel {
  #request = null;
  #timer = 0;
  #asked = "";
  #landWhenFound = false;
  // The hit that the link is about, which the address names beside the query: {place, offset, ms}. A link from before there
  // were places has the millisecond alone.
  #wanted = null;
  // The byte at which the search of the list began, and the one at which another goes on; null where nothing is left.
  #from = 0;
  #next = null;
  // How far the last search came, where its time was up.
  #cut = "";
  // What could not be read, which stays true of the hits that are there while one searches on.
  #note = "";
  // {index, us} of the last hit that was opened: where it stands on the screen first, which may be long before it was listed.
  #landed = null;
  #again = () => this.search();

  /**
   * `atUs()` is the moment on the screen, `land(hit)` shows a hit, `changed({hits, current})` is told of all of them,
   * `toggled(open)` when it opens or closes; with `keepsAddress` the search is written into the address.
   */
  constructor(panel, { terminal, atUs, land, changed, toggled, keepsAddress }) {
    Object.assign(this, { panel, terminal, atUs, land, changed, toggled, keepsAddress });
    const part = (name) => panel.querySelector(`[data-search-${name}]`);
    this.box = part("box");
    this.regex = part("regex");
    this.status = part("status");
    this.retry = part("retry");
    this.steps = [part("previous"), part("next")];
    this.ways = part("ways");
    this.onward = part("on");
    this.first = part("first");
    this.hits = [];
    this.current = -1;
    this.list = new HitList(part("hits"), part("more"), (index) => this.#go(index));
    this.box.addEventListener("input", () => this.#later());
    this.box.addEventListener("keydown", (event) => this.#pressed(event));
    this.regex.addEventListener("change", () => this.search());
    this.retry.addEventListener("click", () => this.#again());
    this.onward.addEventListener("click", () => this.#next !== null && this.#searchFrom(this.#next, { adds: true }));
    this.first.addEventListener("click", () => this.#searchFrom(0));
    this.steps[0].addEventListener("click", () => this.step(-1));
    this.steps[1].addEventListener("click", () => this.step(1));
    part("close").addEventListener("click", () => this.close());
    panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close(event));
  }

  get open() {
    return !this.panel.hidden;
  }

  /** Open it, with the search of the address when there is one. */
  restore() {
    const { searchParams } = new URL(location.href);
    if (!this.keepsAddress || !searchParams.get("q")) return;
    this.regex.checked = searchParams.get("regex") === "1";
    const at = this.panel.closest("terminal-view")?.getAttribute("at-us");
    const ms = searchParams.has("t") && at !== null ? Math.ceil(Number(at) / 1000) : null;
    const place = /^\d{1,15}\.[0-9a-f]{8}$/.exec(searchParams.get("hit") ?? "")?.[0] ?? null;
    if (place || ms !== null) this.#wanted = { place, offset: Number.parseInt(place, 10), ms };
    this.show(searchParams.get("q"), { focus: false });
  }

  show(query = null, { focus = true } = {}) {
    this.panel.hidden = false;
    this.toggled(true);
    if (query !== null) {
      this.box.value = query;
      this.search();
    }
    if (focus) {
      this.box.focus();
      this.box.select();
    }
  }

  close(event) {
    event?.preventDefault();
    event?.stopPropagation();
    this.#stop();
    this.#asked = "";
    this.#stay();
    this.#replace([]);
    this.panel.hidden = true;
    this.#address("");
    this.toggled(false);
  }

  stop() {
    this.#stop();
  }

  /** To the next hit (1) or the one before (-1), seen from the current one or from the moment on the screen. */
  step(by) {
    if (!this.hits.length) return false;
    const { length } = this.hits;
    let next = this.current + by;
    if (this.current < 0) {
      const after = this.#after;
      next = by > 0 ? after : (after < 0 ? length : after) - 1;
    }
    this.#go((next + length) % length);
    return true;
  }

  /** Index of the first hit behind the moment on the screen; where there is none, -1, or their number behind one that was opened. */
  get #after() {
    const us = this.atUs();
    const after = this.hits.findIndex(({ at_us }) => at_us > us);
    if (!this.#landed || us < this.#landed.us) return after;
    return Math.max(after < 0 ? this.hits.length : after, this.#landed.index + 1);
  }

  /** The screen shows this hit now. */
  landed(hit) {
    const index = this.hits.indexOf(hit);
    this.#landed = index < 0 ? null : { index, us: this.atUs() };
  }

  /** Whoever looks goes elsewhere, or on: to another moment than that of the current hit, or of one that is still to be found. */
  left() {
    this.#stay();
    if (this.current < 0) return;
    this.current = -1;
    this.list.mark(-1);
    this.#told();
    // What is being searched for, or could not be, is the more important news.
    if (!this.panel.hasAttribute("aria-busy") && !this.status.hasAttribute("data-failed")) this.#sum();
  }

  search() {
    this.#stop();
    const query = this.box.value;
    const isOther = Boolean(this.#asked) && query !== this.#asked;
    if (isOther) this.#wanted = null;
    this.#asked = query;
    this.#address(query, { keepsHit: !isOther });
    return this.#searchFrom(0);
  }

  /** Look for it from this byte on; with `adds` the hits that are there stay. */
  async #searchFrom(from, { adds = false } = {}) {
    this.#stop();
    if (!adds) {
      this.#from = from;
      this.#replace([]);
    }
    if (!this.#asked.trim()) return this.#say("");
    this.#again = () => this.#searchFrom(from, { adds });
    const request = (this.#request = new AbortController());
    this.#say("Searching…");
    this.panel.setAttribute("aria-busy", "true");
    const { signal } = request;
    // What stands on the screen of a live terminal is found by each search.
    const known = new Set(this.hits.map(({ place }) => place));
    let outcome = null;
    try {
      const found = (hits) => signal.aborted || this.#found(hits.filter(({ place }) => !known.has(place)));
      outcome = await searchTerminal(this.terminal, { query: this.#asked, regex: this.regex.checked, from }, { signal, found });
    } catch (error) {
      if (signal.aborted) return;
      const retry = !error.words && !tellIfSignedOut(error);
      this.#say(error.words || "The search was not answered.", { failed: true, retry });
    }
    this.panel.removeAttribute("aria-busy");
    if (outcome) this.#finish(outcome, from);
  }

  #found(hits) {
    this.hits.push(...hits);
    this.list.show(this.hits);
    this.#say(`${this.#counted} so far…`);
    this.#told();
    if (this.#landWhenFound) this.#landWhenFound = !this.step(1);
    if (this.#wanted) this.#goToWanted(this.hits.findIndex((hit) => this.#isWanted(hit)));
  }

  #finish({ searched, next, error, note }, from) {
    this.#landWhenFound = false;
    if (error) return this.#say(error, { failed: true });
    this.#next = next;
    this.#note = note ?? this.#note;
    if (this.#wanted && this.#searchesNearWanted(from)) return;
    this.#offerWays();
    const cut = searched < 1 ? `The time was up after ${Math.floor(searched * 100)} % of ${from ? "the rest" : "the recording"}` : "";
    this.#cut = [cut, this.#note].filter(Boolean).join(". ");
    // Where one landed meanwhile; what was cut short is the more important news.
    if (this.current >= 0 && !this.#cut) this.#place();
    else this.#sum();
  }

  /** Whether this is the hit that the link is about, for certain. */
  #isWanted({ place, at_us }) {
    const { place: wanted, ms } = this.#wanted;
    return wanted ? place === wanted : Math.ceil(at_us / 1000) === ms;
  }

  /** The search is over, or cut, and the hit of the link was not in it: go on where it is, or take what comes nearest to it. */
  #searchesNearWanted(from) {
    const { place, offset } = this.#wanted;
    const goesOn = this.#next !== null && this.#next > from;
    if (place && goesOn && this.#next <= offset + LISTED_BYTES) {
      const near = Math.max(0, offset - BEFORE_BYTES);
      if (near > this.#next) this.#searchFrom(near);
      else this.#searchFrom(this.#next, { adds: true });
      return true;
    }
    if (place) this.#goToWanted(this.#likeWanted());
    this.#wanted = null;
    return false;
  }

  /** The same line nearest to where it was, as it may be listed elsewhere by now; else whichever was written then. */
  #likeWanted() {
    const { place, offset, ms } = this.#wanted;
    const line = (each) => each.slice(each.indexOf("."));
    const alike = this.hits.filter((hit) => line(hit.place) === line(place));
    const distance = (hit) => Math.abs(hit.offset - offset);
    const nearest = alike.reduce((best, hit) => (best && distance(best) <= distance(hit) ? best : hit), null);
    return nearest ? this.hits.indexOf(nearest) : this.hits.findIndex(({ at_us }) => Math.ceil(at_us / 1000) === ms);
  }

  #goToWanted(index) {
    if (index >= 0) this.#go(index);
  }

  #offerWays() {
    const { activeElement } = document;
    this.onward.hidden = this.#next === null;
    this.first.hidden = !this.#from;
    this.ways.hidden = this.onward.hidden && this.first.hidden;
    // Who pressed one that is gone goes on in the panel.
    if (this.ways.contains(activeElement) && activeElement.offsetParent === null) this.box.focus();
  }

  /** What is found from now on takes nobody along. */
  #stay() {
    this.#wanted = null;
    this.#landWhenFound = false;
  }

  #go(index) {
    this.#stay();
    this.current = index;
    this.list.mark(index);
    this.#told();
    this.land(this.hits[index]);
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.search(), TYPING_MS);
  }

  #pressed(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if (this.box.value === this.#asked && this.hits.length) return this.step(event.shiftKey ? -1 : 1);
    this.#landWhenFound = true;
    if (this.box.value !== this.#asked) this.search();
  }

  #replace(hits) {
    this.hits = hits;
    this.current = -1;
    this.#next = null;
    this.#cut = this.#note = "";
    this.#landed = null;
    this.#offerWays();
    this.list.show(hits);
    this.#told();
  }

  #told() {
    for (const step of this.steps) step.disabled = !this.hits.length;
    if (this.current >= 0) this.#place();
    this.changed({ hits: this.hits, current: this.current });
  }

  /** `10 hits`; `1,000+ hits from 2:31 on` where it began later, and there may be more. */
  get #counted() {
    const { length } = this.hits;
    const more = this.#next === null ? "" : "+";
    const since = this.#from && length ? ` from ${shortClock(this.hits[0].at_us)} on` : "";
    return `${length.toLocaleString("en")}${more} ${length === 1 ? "hit" : "hits"}${since}`;
  }

  #sum() {
    const count = this.hits.length ? this.#counted : "No hits";
    this.#say(this.#cut ? `${count}. ${this.#cut}` : count);
  }

  #place() {
    if (!this.panel.hasAttribute("aria-busy")) this.#say(`${this.current + 1} of ${this.#counted}`);
  }

  #say(words, { failed = false, retry = false } = {}) {
    this.status.textContent = words;
    this.status.toggleAttribute("data-failed", failed);
    this.retry.hidden = !retry;
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
    this.panel.removeAttribute("aria-busy");
  }

  #address(query, { keepsHit = false } = {}) {
    if (!this.keepsAddress) return;
    const url = new URL(location.href);
    const { searchParams } = url;
    if (!keepsHit) searchParams.delete("hit");
    if (query.trim()) searchParams.set("q", query);
    else searchParams.delete("q");
    if (query.trim() && this.regex.checked) searchParams.set("regex", "1");
    else searchParams.delete("regex");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }
}
