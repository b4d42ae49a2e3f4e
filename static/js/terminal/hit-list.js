// The hits of a search as a list of links: time, line, and the part that matched. Of very many some hundreds at a time.

import { clockText } from "scrollback/elements/time-scrubber";
import { shortClock } from "scrollback/terminal/moments";

const AT_ONCE = 200;
const SHOWN_BEFORE = 32;
const SHOWN_AFTER = 160;

export class HitList {
  #hits = [];
  #current = -1;

  /** `list` is an <ol>, `more` the button for the next ones; `chosen(index)`. */
  constructor(list, more, chosen) {
    Object.assign(this, { list, more });
    list.addEventListener("click", (event) => {
      const link = event.target.closest("[data-index]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      chosen(Number(link.dataset.index));
    });
    more.addEventListener("click", () => this.#draw(this.#drawn + AT_ONCE));
  }

  get #drawn() {
    return this.list.childElementCount;
  }

  show(hits) {
    if (hits !== this.#hits) this.list.replaceChildren();
    this.#hits = hits;
    this.#draw(Math.max(AT_ONCE, this.#drawn));
  }

  mark(index) {
    this.list.children[this.#current]?.firstChild.removeAttribute("aria-current");
    this.#current = index;
    if (index < 0) return;
    this.#draw(index + 1);
    const link = this.list.children[index].firstChild;
    link.setAttribute("aria-current", "true");
    link.scrollIntoView({ block: "nearest" });
  }

  #draw(upTo) {
    const from = this.#drawn;
    this.list.append(...this.#hits.slice(from, upTo).map((hit, place) => row(hit, from + place)));
    const left = this.#hits.length - this.#drawn;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show ${Math.min(left, AT_ONCE)} more`;
  }
}

function row(hit, index) {
  const link = document.createElement("a");
  link.className = "hit-line";
  link.dataset.index = index;
  const address = new URL(location.href);
  // As the search over everything writes it: the millisecond in which the line is there.
  address.searchParams.set("t", clockText(Math.ceil(hit.at_us / 1000), true));
  address.searchParams.set("hit", hit.place);
  link.href = address;
  const clock = document.createElement("span");
  clock.className = "hit-line__clock";
  clock.textContent = shortClock(hit.at_us);
  link.append(clock, words(hit));
  const item = document.createElement("li");
  item.append(link);
  return item;
}

function words({ text, start, end }) {
  const letters = [...text];
  const from = start > SHOWN_BEFORE + 8 ? start - SHOWN_BEFORE : 0;
  const mark = document.createElement("mark");
  mark.textContent = letters.slice(start, Math.min(end, start + SHOWN_AFTER)).join("");
  const line = document.createElement("bdi");
  line.className = "hit-line__text";
  line.append((from ? "…" : "") + letters.slice(from, start).join("").trimStart(), mark, letters.slice(end, end + SHOWN_AFTER).join(""));
  return line;
}
