// What can be done with the text that is selected on the screen: copy it, search for it, go to when it was written.

import { copyText } from "scrollback/elements/copy-button";
import { tellIfSignedOut } from "scrollback/terminal/answers";
import { visibleText } from "scrollback/terminal/screen-text";
import { searchTerminal } from "scrollback/terminal/terminal-search";

const NEAR_BYTES = 64 * 1024;
const FARTHER = 16;
// Of a longer line the beginning is enough, and the server takes no more.
const MOST_CHARACTERS = 500;

export class SelectionBar {
  /** `bar` shows while something is selected; `copy` copies it or the whole screen; `inFront()` is the terminal that is seen. */
  constructor(bar, copy, { inFront, id, atUs, offsetAt, find, land, tell }) {
    Object.assign(this, { bar, copy, inFront, id, atUs, offsetAt, find, land, tell });
    copy.addEventListener("click", () => this.copySelection());
    const on = (name, act) => bar.querySelector(`[data-selection-${name}]`).addEventListener("click", act);
    on("copy", () => this.copySelection());
    on("find", () => this.#after(() => find(this.#line())));
    on("when", () => this.#after(() => this.#goToLine(this.#line())));
    this.show();
  }

  /** Show what is selected in this terminal whenever it is in front. */
  watch(terminal) {
    terminal.onSelectionChange(() => this.show());
  }

  async copySelection() {
    const terminal = this.inFront();
    const selected = terminal.getSelection();
    await copyText(selected || visibleText(terminal));
    this.tell(selected ? "Copied the selection." : "Copied the screen.");
    this.copy.dataset.copied = "";
    setTimeout(() => delete this.copy.dataset.copied, 1_500);
  }

  #line() {
    const line = this.inFront().getSelection().split("\n").find((each) => each.trim()) ?? "";
    return [...line.trim()].slice(0, MOST_CHARACTERS).join("");
  }

  async #after(act) {
    const terminal = this.inFront();
    await act();
    terminal.clearSelection();
  }

  async #goToLine(query) {
    if (!query) return;
    let last;
    try {
      last = await this.#lastBefore(query);
    } catch (error) {
      return tellIfSignedOut(error) || this.tell(error.words || "The search was not answered.");
    }
    if (last) this.land(last);
    else this.tell("When this was written is not in the index of the recording.");
  }

  /** The last time before now that this text was written; a search goes forwards, so it begins nearby and then farther back. */
  async #lastBefore(query) {
    const atUs = this.atUs();
    const end = await this.offsetAt(atUs);
    for (let reach = NEAR_BYTES; ; reach *= FARTHER) {
      const from = Math.max(0, end - reach);
      const last = await this.#lastBetween(query, from, atUs);
      if (last || !from) return last;
    }
  }

  async #lastBetween(query, start, atUs) {
    let last = null;
    for (let from = start; ; ) {
      const beyond = new AbortController();
      const found = (hits) => {
        last = hits.findLast(({ at_us }) => at_us <= atUs) ?? last;
        if (hits.at(-1).at_us > atUs) beyond.abort();
      };
      try {
        const asked = searchTerminal(this.id, { query, regex: false, from }, { signal: beyond.signal, found });
        const { next, error } = await asked;
        if (error) throw new Error(error);
        if (next === null || next <= from) return last;
        from = next;
      } catch (error) {
        if (beyond.signal.aborted) return last;
        throw error;
      }
    }
  }

  show() {
    const selected = this.inFront().getSelection();
    this.bar.hidden = !selected;
    this.copy.title = selected ? "Copy the selection" : "Copy the screen as text";
    this.copy.setAttribute("aria-label", this.copy.title);
    const lines = selected.split("\n").length;
    this.bar.querySelector("[data-selection-size]").textContent =
      lines > 1 ? `${lines} lines` : `${[...selected].length} characters`;
  }
}
