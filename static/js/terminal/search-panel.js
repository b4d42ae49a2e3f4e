// The search inside one terminal: a box, what it found as a list and on the bar, and the way from hit to hit. What is
// searched for stands in the address, so that the link can be shared.

import { HitList } from "scrollback/terminal/hit-list";
import { searchTerminal } from "scrollback/terminal/terminal-search";

const TYPING_MS = 250;

export class SearchPanel {
  #request = null;
  #timer = 0;
  #asked = "";
  #landWhenFound = false;
  // The millisecond that the address names beside the query: the hit at it is what the link is about.
  #wantedMs = null;

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
    this.hits = [];
    this.current = -1;
    this.list = new HitList(part("hits"), part("more"), (index) => this.#go(index));
    this.box.addEventListener("input", () => this.#later());
    this.box.addEventListener("keydown", (event) => this.#pressed(event));
    this.regex.addEventListener("change", () => this.search());
    this.retry.addEventListener("click", () => this.search());
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
    const at = this.panel.closest("terminal-view")?.getAttribute("at-ms");
    this.#wantedMs = searchParams.has("t") && at !== null ? Number(at) : null;
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
    let next = this.current + by;
    if (this.current < 0) {
      const after = this.hits.findIndex(({ at_us }) => at_us > this.atUs());
      next = by > 0 ? after : (after < 0 ? this.hits.length : after) - 1;
    }
    this.#go((next + this.hits.length) % this.hits.length);
    return true;
  }

  /** The screen shows another moment than the one of the current hit. */
  left() {
    this.current = -1;
    this.list.mark(-1);
    this.#told();
  }

  async search() {
    this.#stop();
    const query = this.box.value;
    if (this.#asked) this.#wantedMs = null;
    this.#asked = query;
    this.#replace([]);
    this.#address(query);
    if (!query.trim()) return this.#say("");
    const request = (this.#request = new AbortController());
    this.#say("Searching…");
    this.panel.setAttribute("aria-busy", "true");
    const { signal } = request;
    let outcome = null;
    try {
      const found = (hits) => signal.aborted || this.#found(hits);
      outcome = await searchTerminal(this.terminal, { query, regex: this.regex.checked }, { signal, found });
    } catch (error) {
      if (signal.aborted) return;
      this.#say("The search was not answered.", { failed: true, retry: true });
    }
    this.panel.removeAttribute("aria-busy");
    if (outcome) this.#finish(outcome);
  }

  #found(hits) {
    this.hits.push(...hits);
    this.list.show(this.hits);
    this.#say(`${counted(this.hits.length)} so far…`);
    this.#told();
    if (this.#landWhenFound) this.#landWhenFound = !this.step(1);
    const wanted = this.#wantedMs === null ? -1 : this.hits.findIndex(({ at_us }) => Math.ceil(at_us / 1000) === this.#wantedMs);
    if (wanted < 0) return;
    this.#wantedMs = null;
    this.#go(wanted);
  }

  #finish({ hits, is_cut, searched, error }) {
    this.#landWhenFound = false;
    if (error) return this.#say(error, { failed: true });
    const rest = searched < 1 ? `The time was up after ${Math.floor(searched * 100)} % of the recording.` : "";
    if (is_cut) this.#say(`The first ${counted(this.hits.length)}. ${rest || "A longer search finds fewer."}`.trim());
    // Where one landed meanwhile; what was cut short is the more important news.
    else if (this.current >= 0 && !rest) this.#place();
    else this.#say(`${hits ? counted(hits) : "No hits"}. ${rest}`.trim().replace(/\.$/, ""));
  }

  #go(index) {
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
    this.list.show(hits);
    this.#told();
  }

  #told() {
    for (const step of this.steps) step.disabled = !this.hits.length;
    if (this.current >= 0) this.#place();
    this.changed({ hits: this.hits, current: this.current });
  }

  #place() {
    if (!this.panel.hasAttribute("aria-busy")) this.#say(`${this.current + 1} of ${counted(this.hits.length)}`);
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

  #address(query) {
    if (!this.keepsAddress) return;
    const url = new URL(location.href);
    const { searchParams } = url;
    if (query.trim()) searchParams.set("q", query);
    else searchParams.delete("q");
    if (query.trim() && this.regex.checked) searchParams.set("regex", "1");
    else searchParams.delete("regex");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }
}

function counted(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "hit" : "hits"}`;
}
