// <command-palette src="/-/palette/">: each change of the box fetches `src?q=…`, a fragment of .palette__item links, into
// the list box. Arrow keys choose, Enter follows, Ctrl Enter opens a new tab. Whoever types on and presses Enter at once
// goes to what the whole text finds, not to what still stands there.

import { isSignedOut, signInAddress } from "scrollback/failures";

const TYPING_MS = 80;
const UNANSWERED = "The server did not answer. Type again to retry.";

class CommandPalette extends HTMLElement {
  connectedCallback() {
    this.input = this.querySelector("input");
    this.results = this.querySelector('[role="listbox"]');
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.results.addEventListener("mousemove", ({ target }) => this.choose(target.closest(".palette__item")));
    document.addEventListener("dialog:opened", this);
  }

  disconnectedCallback() {
    document.removeEventListener("dialog:opened", this);
    clearTimeout(this.timer);
    this.request?.abort();
  }

  handleEvent({ target }) {
    if (!target.contains(this)) return;
    this.input.select();
    this.fetch();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(), TYPING_MS);
  }

  // Whether what is shown now is of the text that stood in the box when it was asked for.
  async fetch() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.request = new AbortController();
    const text = this.input.value;
    const url = new URL(this.getAttribute("src"), document.baseURI);
    url.searchParams.set("q", text);
    this.results.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(url, { signal: this.request.signal, headers: { "HX-Request": "true" } });
      this.show(response.ok ? await response.text() : this.failure(isSignedOut(response)));
      this.shown = response.ok ? text : undefined;
    } catch (error) {
      if (error.name === "AbortError") return false;
      this.show(this.failure());
      this.shown = undefined;
    }
    this.results.removeAttribute("aria-busy");
    return this.shown === text;
  }

  async follow(inNewTab) {
    if (this.shown !== this.input.value && !(await this.fetch())) return;
    if (inNewTab) open(this.current.href, "_blank", "noopener");
    else this.current.click();
  }

  failure(isOut = false) {
    const words = isOut ? `You are signed out. <a href="${signInAddress()}">Sign in</a>` : UNANSWERED;
    return `<p class="empty empty--inline" role="alert">${words}</p>`;
  }

  show(html) {
    this.results.innerHTML = html;
    this.items.forEach((item, index) => {
      item.id = `palette-item-${index}`;
      item.setAttribute("role", "option");
    });
    this.choose(this.items[0]);
  }

  get items() {
    return [...this.results.querySelectorAll(".palette__item")];
  }

  get current() {
    return this.results.querySelector('[aria-selected="true"]');
  }

  choose(item) {
    this.current?.setAttribute("aria-selected", "false");
    item?.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", item?.id ?? "");
  }

  pressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const items = this.items;
      const next = (items.indexOf(this.current) + step + items.length) % items.length;
      this.choose(items[next]);
      items[next]?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") this.follow(event.ctrlKey || event.metaKey);
    else return;
    event.preventDefault();
  }
}

customElements.define("command-palette", CommandPalette);
