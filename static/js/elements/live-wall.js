// <live-wall src="/terminals/tiles/" limit="12">: tiles of live terminals in [data-tiles], which follow their terminals.
//
// One request a second at most brings all that changed of the tiles that are looked at; none is sent while nothing
// changes, for tiles out of view, or by a hidden tab. A tile keeps its place: a new terminal takes an empty place or
// comes last, and one that ended leaves its place empty after a while: another one that is live and had no room here takes it. The places
// close up when nobody looks.

import { consoleConnection } from "scrollback/live";

const EVERY_MS = 1_000;
// What has no picture yet is not kept waiting.
const SOON_MS = 100;
const RETRY_MS = 10_000;
const MOST_ASKED = 60;
// So long an ended terminal can be read; longer while it is pointed at or has the focus.
const LINGER_MS = 8_000;
const LOOK_AGAIN_MS = 1_000;
// A terminal that is not on this wall is not asked about again for so long, whatever it writes.
const ELSEWHERE_MS = 30_000;
const MOST_ELSEWHERE = 1_000;

class LiveWall extends HTMLElement {
  connectedCallback() {
    this.outdated = new Set();
    this.inView = new Set();
    // Ids of terminals to ask for, wherever they stand.
    this.awaited = new Set();
    this.elsewhere = new Map();
    this.mustCompare = false;
    this.isAsking = false;
    this.asked = -Infinity;
    this.observer = new IntersectionObserver((entries) => this.look(entries), { rootMargin: "20% 0px" });
    for (const tile of this.tiles) this.watch(tile);
    for (const type of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) document.addEventListener(type, this);
    consoleConnection();
  }

  disconnectedCallback() {
    for (const type of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) document.removeEventListener(type, this);
    this.observer.disconnect();
    clearTimeout(this.timer);
    for (const tile of this.tiles) clearTimeout(tile.leaving);
  }

  handleEvent({ type, detail }) {
    if (type === "visibilitychange") this.turn();
    else if (type === "scrollback:refresh") this.compare();
    else if (detail.kind === "terminal") this.hear(detail.id);
  }

  get place() {
    return this.querySelector("[data-tiles]");
  }

  get tiles() {
    return [...this.place.querySelectorAll("[data-row]")];
  }

  get limit() {
    return Number(this.getAttribute("limit"));
  }

  tile(id) {
    return this.place.querySelector(`[data-row][data-id="${CSS.escape(id)}"]`);
  }

  watch(tile) {
    if (!tile.dataset.version || "behind" in tile.dataset) this.outdated.add(tile.dataset.id);
    this.observer.observe(tile);
    if (tile.dataset.status !== "live") this.linger(tile);
  }

  look(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.inView.add(target.dataset.id);
      else this.inView.delete(target.dataset.id);
    }
    this.plan();
  }

  hear(id) {
    if (this.tile(id)) this.outdated.add(id);
    else if (performance.now() - (this.elsewhere.get(id) ?? -Infinity) > ELSEWHERE_MS) {
      if (this.elsewhere.size >= MOST_ELSEWHERE) this.elsewhere.clear();
      this.elsewhere.set(id, performance.now());
      this.mustCompare = true;
    }
    this.plan();
  }

  /** News may have been missed: everything that is shown may differ. */
  compare() {
    this.elsewhere.clear();
    this.mustCompare = true;
    for (const tile of this.tiles) this.outdated.add(tile.dataset.id);
    this.plan();
  }

  turn() {
    if (document.hidden) this.closeUp();
    else this.plan();
  }

  /** What to ask for, as [id, version]. */
  get questions() {
    const shown = this.tiles.filter(
      ({ dataset: { id } }) => this.outdated.has(id) && this.inView.has(id) && !this.awaited.has(id),
    );
    return [
      ...[...this.awaited].map((id) => [id, this.tile(id)?.dataset.version ?? ""]),
      ...shown.map(({ dataset: { id, version } }) => [id, version]),
    ].slice(0, MOST_ASKED);
  }

  plan() {
    if (document.hidden || this.isAsking || this.timer) return;
    const questions = this.questions;
    if (!questions.length && !this.mustCompare) return;
    const spacing = questions.some(([, version]) => !version) ? SOON_MS : EVERY_MS;
    const wait = Math.max(SOON_MS / 2, this.asked + spacing - performance.now());
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (!document.hidden) this.ask();
    }, wait);
  }

  async ask() {
    const questions = this.questions;
    const query = new URLSearchParams(questions.map(([id, version]) => ["tile", `${id}.${version}`]));
    const compares = this.mustCompare;
    if (compares) query.set("live", this.limit);
    for (const [id] of questions) {
      this.outdated.delete(id);
      this.awaited.delete(id);
    }
    this.mustCompare = false;
    this.isAsking = true;
    this.asked = performance.now();
    const answer = await this.fetch(`${this.getAttribute("src")}?${query}`);
    this.isAsking = false;
    if (!this.isConnected) return;
    if (answer === null) {
      // The next connection compares everything anyway; until then one try now and then is enough.
      for (const [id] of questions) this.outdated.add(id);
      this.mustCompare ||= compares;
      this.asked += RETRY_MS;
    } else if (answer) this.take(new DOMParser().parseFromString(answer, "text/html").body);
    this.plan();
  }

  /** The answer's text, "" when nothing is new, null when there was none. */
  async fetch(url) {
    try {
      const response = await fetch(url);
      return response.ok && !response.redirected ? await response.text() : null;
    } catch {
      return null;
    }
  }

  take(answer) {
    const live = answer.querySelector("[data-live]");
    if (live) this.takeLive([...live.children].map((child) => child.dataset.id));
    for (const { dataset } of answer.querySelectorAll("[data-gone]")) this.empty(this.tile(dataset.gone));
    for (const fresh of answer.querySelectorAll("[data-row]")) {
      const shown = this.tile(fresh.dataset.id);
      if (shown) this.renew(shown, fresh);
      else if (fresh.dataset.status === "live") this.add(fresh);
      // It ended on its way here.
      else this.mustCompare = true;
    }
  }

  takeLive(ids) {
    // One that ended keeps its place for a while, and then asks who takes it.
    const room = Math.max(0, this.limit - this.tiles.length);
    const missing = ids.filter((id) => !this.tile(id));
    for (const id of missing.slice(missing.length - Math.min(room, missing.length))) this.awaited.add(id);
    // Those that ended have to leave, whether they are looked at or not.
    for (const { dataset } of this.tiles) if (!ids.includes(dataset.id)) this.awaited.add(dataset.id);
    if (!ids.length && !this.tiles.length) this.querySelector("[data-empty]").hidden = false;
  }

  add(tile) {
    if (this.becomeWhole()) return;
    const free = this.place.querySelector(".wall__slot");
    if (free) free.replaceWith(tile);
    else this.place.append(tile);
    this.querySelector("[data-empty]").hidden = true;
    this.closest("section")?.removeAttribute("hidden");
    window.htmx.process(tile);
    this.watch(tile);
  }

  /** The first terminal of a page that had nothing to show at all: the page is another one now. */
  becomeWhole() {
    const whole = this.closest("[data-whole]");
    if (!whole || !this.closest("section").hidden) return false;
    whole.compare();
    return true;
  }

  renew(shown, fresh) {
    for (const name of ["data-version", "data-status"]) shown.setAttribute(name, fresh.getAttribute(name));
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const old = shown.querySelector(`[data-part="${part.dataset.part}"]`);
      if (old.innerHTML !== part.innerHTML) old.replaceChildren(...part.childNodes);
    }
    if ("behind" in fresh.dataset) this.outdated.add(fresh.dataset.id);
    if (shown.dataset.status !== "live") this.linger(shown);
    else if (shown.leaving) shown.leaving = clearTimeout(shown.leaving);
  }

  linger(tile) {
    tile.leaving ||= setTimeout(() => this.leave(tile), LINGER_MS);
  }

  leave(tile) {
    tile.leaving = 0;
    if (!tile.isConnected) return;
    if (tile.matches(":hover, :focus-within")) tile.leaving = setTimeout(() => this.leave(tile), LOOK_AGAIN_MS);
    else this.empty(tile);
  }

  /** Nothing else moves: the place stays as large as it was. Of those that wait for one nothing else may be heard. */
  empty(tile) {
    this.mustCompare = true;
    if (!tile) return this.plan();
    this.observer.unobserve(tile);
    this.inView.delete(tile.dataset.id);
    const slot = document.createElement("div");
    slot.className = "wall__slot";
    slot.style.setProperty("--height", `${tile.getBoundingClientRect().height}px`);
    tile.replaceWith(slot);
    if (document.hidden) this.closeUp();
    if (!this.tiles.length) {
      this.style.setProperty("--height", `${this.getBoundingClientRect().height}px`);
      this.closeUp();
    }
    this.plan();
  }

  closeUp() {
    for (const slot of this.place.querySelectorAll(".wall__slot")) slot.remove();
    if (document.hidden) this.style.removeProperty("--height");
  }
}

customElements.define("live-wall", LiveWall);
