// What can be done with the text that is selected on the screen: copy it, search for it, go to when it was written.

import { copyText } from "scrollback/elements/copy-button";
import { visibleText } from "scrollback/terminal/screen-text";
import { searchTerminal } from "scrollback/terminal/terminal-search";

export class SelectionBar {
  /** `bar` shows while something is selected; `copy` copies it or the whole screen; `inFront()` is the terminal that is seen. */
  constructor(bar, copy, { inFront, id, atUs, find, land, tell }) {
    Object.assign(this, { bar, copy, inFront, id, atUs, find, land, tell });
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
    return (this.inFront().getSelection().split("\n").find((line) => line.trim()) ?? "").trim();
  }

  async #after(act) {
    const terminal = this.inFront();
    await act();
    terminal.clearSelection();
  }

  /** The last time before now that this text was written. */
  async #goToLine(query) {
    if (!query) return;
    const atUs = this.atUs();
    let last = null;
    const found = (hits) => (last = hits.findLast(({ at_us }) => at_us <= atUs) ?? last);
    try {
      await searchTerminal(this.id, { query, regex: false }, { found });
    } catch {
      return this.tell("The search was not answered.");
    }
    if (last) this.land(last);
    else this.tell("When this was written is not in the index of the recording.");
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
