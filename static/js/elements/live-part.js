// <live-part kind="terminal" row="7f3a…" src="/terminals/7f3a…/figures/">: a few facts about one row that follow it. When the row changed,
// `src` is fetched, at most once a second, and the children that differ are replaced; nothing is asked for while nothing
// changes, nor by a hidden tab. Where their number changes, all are, once nobody uses one of them.

import { consoleConnection } from "scrollback/live";

const GATHER_MS = 120;
const EVERY_MS = 1_000;

class LivePart extends HTMLElement {
  connectedCallback() {
    this.asked = -Infinity;
    for (const type of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) document.addEventListener(type, this);
    consoleConnection();
    // Connected before this module was loaded: what changed since the page was made was told to nobody.
    this.isDue = document.documentElement.dataset.live === "connected";
    this.plan();
  }

  disconnectedCallback() {
    for (const type of ["scrollback:changed", "scrollback:refresh", "visibilitychange"]) document.removeEventListener(type, this);
    clearTimeout(this.timer);
  }

  handleEvent({ type, detail }) {
    const isMine = () => detail.kind === this.getAttribute("kind") && detail.id === this.getAttribute("row");
    if (type === "scrollback:refresh" || (type === "scrollback:changed" && isMine())) this.isDue = true;
    this.plan();
  }

  plan() {
    if (!this.isDue || this.timer || document.hidden) return;
    this.timer = setTimeout(() => this.ask(), Math.max(GATHER_MS, this.asked + EVERY_MS - performance.now()));
  }

  async ask() {
    this.asked = performance.now();
    this.isDue = false;
    const text = await fetchText(this.getAttribute("src"));
    this.timer = 0;
    if (!this.isConnected) return;
    if (text !== null) this.take(new DOMParser().parseFromString(text, "text/html").body);
    // What came meanwhile is asked for in its turn.
    this.plan();
  }

  take({ children }) {
    const [shown, fresh] = [[...this.children], [...children]];
    if (shown.length === fresh.length) {
      shown.forEach((child, place) => said(child) === said(fresh[place]) || child.replaceWith(fresh[place]));
    } else if (!this.contains(document.activeElement)) this.replaceChildren(...fresh);
  }
}

/** null when there is no answer: the next connection asks again. */
async function fetchText(url) {
  try {
    const response = await fetch(url);
    return response.ok && !response.redirected ? await response.text() : null;
  } catch {
    return null;
  }
}

/** What the server said: the words of a relative time are the browser's own. */
function said(child) {
  const copy = child.cloneNode(true);
  for (const time of copy.querySelectorAll("relative-time time")) time.replaceWith(time.dateTime);
  return copy.outerHTML;
}

customElements.define("live-part", LivePart);
