// A second, read-only screen over the first: what was above it, with an earlier moment's scrollback. The first one goes on
// underneath, and one step leads back to it.

import { tellIfSignedOut } from "scrollback/terminal/answers";

export class EarlierScreen {
  #screen = null;
  #turn = 0;

  /** `makeScreen(host)` makes a Screen; `earlier(offset)` is the player's; `words({from, to})` says where one is. */
  constructor(root, { makeScreen, earlier, words, opened }) {
    Object.assign(this, { root, makeScreen, earlier, words, opened });
    const part = (name) => root.querySelector(`[data-earlier-${name}]`);
    this.host = part("host");
    this.title = part("title");
    this.more = part("more");
    part("back").addEventListener("click", () => this.close());
    this.more.addEventListener("click", () => this.#further());
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.close();
    });
  }

  get on() {
    return !this.root.hidden;
  }

  /** Its terminal of xterm.js, once there is one. */
  get terminal() {
    return this.#screen?.terminal;
  }

  /** The lines before the row that stands `rows` above the one at which byte `offset` ended. */
  async open({ offset, rows = 0 }) {
    const turn = ++this.#turn;
    this.root.hidden = false;
    this.opened(true);
    this.root.toggleAttribute("data-busy", true);
    this.title.textContent = "Loading what came before…";
    try {
      const part = await this.earlier(offset);
      if (turn !== this.#turn) return;
      if (!part) return this.close();
      await this.#draw(part, rows);
      if (turn !== this.#turn) return;
      this.from = part.from;
      this.more.hidden = !this.#screen.above(part.from);
      this.title.textContent = this.words(part);
      this.host.focus({ preventScroll: true });
    } catch (error) {
      if (turn !== this.#turn) return;
      this.title.textContent = error.words || "What came before could not be loaded.";
      tellIfSignedOut(error);
    } finally {
      if (turn === this.#turn) this.root.removeAttribute("data-busy");
    }
  }

  close() {
    this.#turn += 1;
    if (!this.on) return;
    this.root.hidden = true;
    this.dispose();
    this.opened(false);
  }

  dispose() {
    this.#screen?.dispose();
    this.#screen = null;
  }

  #further() {
    const above = this.#screen?.above(this.from);
    if (above) this.open(above);
  }

  async #draw({ frames }, rows) {
    this.#screen ??= this.makeScreen(this.host);
    await new Promise((resolve) => {
      for (const frame of frames) this.#screen.apply(frame, () => {});
      this.#screen.reveal(resolve);
    });
    const { terminal } = this.#screen;
    terminal.scrollToBottom();
    if (rows) terminal.scrollLines(terminal.buffer.active.cursorY - terminal.rows - rows);
  }
}
