// The drawn terminal: xterm.js with the recorded window, the page's colours, and no way back to the program.

import { linkHandler, makeSafe } from "scrollback/terminal/safety";
import { Unicode11Addon } from "vendor/xterm/addon-unicode11";
import { Terminal } from "vendor/xterm/xterm";

const SCROLLBACK_LINES = 10_000;
const LARGEST_PX = 15;
const SMALLEST_PX = 5;
const LINE_HEIGHT = 1.2;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export class Screen {
  #host;
  #observer;
  #abort = new AbortController();
  // Steps behind a change of size that is not done yet; null when there is none.
  #waiting = null;
  #turn = 0;

  constructor(host, { cols, rows, tell }) {
    this.#host = host;
    this.terminal = new Terminal({
      cols,
      rows,
      allowProposedApi: true,
      disableStdin: true,
      fontFamily: getComputedStyle(host).fontFamily,
      fontSize: LARGEST_PX,
      lineHeight: LINE_HEIGHT,
      linkHandler: linkHandler(tell),
      scrollback: SCROLLBACK_LINES,
      theme: themeOf(host),
      cursorInactiveStyle: "outline",
      minimumContrastRatio: 1,
    });
    // Keys belong to the page: a terminal that took Tab would be a trap, and nothing may reach the program.
    this.terminal.attachCustomKeyEventHandler(() => false);
    makeSafe(this.terminal);
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = "11";
    withNonce(() => this.terminal.open(host));
    this.terminal.textarea?.setAttribute("tabindex", "-1");
    const options = { signal: this.#abort.signal };
    document.addEventListener("scrollback:theme", () => this.#recolour(), options);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#recolour(), options);
    host.addEventListener("keydown", (event) => this.#scroll(event), options);
    this.#observer = new ResizeObserver(() => this.fit());
    this.#observer.observe(host);
    this.fit();
  }

  write(bytes, done) {
    this.#inTurn(() => this.terminal.write(bytes, done));
  }

  /** An empty screen of this size, after all that was written before. */
  reset(cols, rows, done) {
    this.#between(() => {
      this.terminal.reset();
      this.#size(cols, rows);
      done?.();
    });
  }

  resize(cols, rows, done) {
    this.#between(() => {
      this.#size(cols, rows);
      done?.();
    });
  }

  /** Whatever was asked for and is not drawn yet is forgotten; the screen is empty. */
  clear(cols, rows) {
    this.#waiting = null;
    this.#turn += 1;
    this.reset(cols, rows);
  }

  /** xterm.js draws all that it has before it changes its size, so what comes after must not be given to it yet. */
  #between(change) {
    this.#inTurn(() => {
      this.#waiting = [];
      const turn = this.#turn;
      this.terminal.write("", () => {
        if (turn !== this.#turn) return;
        change();
        const waiting = this.#waiting ?? [];
        this.#waiting = null;
        for (const step of waiting) this.#inTurn(step);
      });
    });
  }

  #inTurn(step) {
    if (this.#waiting) this.#waiting.push(step);
    else step();
  }

  #size(cols, rows) {
    this.terminal.resize(cols, rows);
    this.fit();
    this.#host.dispatchEvent(new CustomEvent("screen:sized", { bubbles: true, detail: { cols, rows } }));
  }

  /** The recorded window is shown as it was, so the letters grow and shrink instead of the number of columns. */
  fit() {
    const style = getComputedStyle(this.#host);
    const width = this.#host.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.#host.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    if (width <= 0 || height <= 0) return;
    const { cols, rows } = this.terminal;
    const cell = cellSize(this.terminal.options.fontFamily);
    const wide = width / (cols * cell.width);
    const high = height / (rows * cell.height * LINE_HEIGHT);
    const size = Math.floor(Math.min(LARGEST_PX, Math.max(SMALLEST_PX, Math.min(wide, Math.max(high, wide / 2)))) * 4) / 4;
    if (size !== this.terminal.options.fontSize) this.terminal.options.fontSize = size;
  }

  dispose() {
    this.#abort.abort();
    this.#observer.disconnect();
    this.terminal.dispose();
  }

  #recolour() {
    withNonce(() => (this.terminal.options.theme = themeOf(this.#host)));
  }

  #scroll(event) {
    const by = { PageUp: -1, PageDown: 1 }[event.key];
    if (by) this.terminal.scrollPages(by);
    else if (event.key === "Home") this.terminal.scrollToTop();
    else if (event.key === "End") this.terminal.scrollToBottom();
    else return;
    event.preventDefault();
  }
}

/** Run `make` while style elements are made with the page's nonce, without which its policy refuses xterm.js's own. */
function withNonce(make) {
  const nonce = document.querySelector("script[nonce]")?.nonce;
  const createElement = Document.prototype.createElement;
  document.createElement = function (name, options) {
    const element = createElement.call(document, name, options);
    if (nonce && name.toLowerCase() === "style") element.nonce = nonce;
    return element;
  };
  try {
    make();
  } finally {
    delete document.createElement;
  }
}

/** The palette of the page; xterm.js wants plain colours, so the browser computes them. */
function themeOf(host) {
  const probe = host.appendChild(document.createElement("span"));
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (name) => {
    probe.style.color = `var(--term-${name})`;
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
    return `#${[red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  };
  const theme = {
    background: colour("background"),
    foreground: colour("foreground"),
    cursor: colour("cursor"),
    cursorAccent: colour("background"),
    selectionBackground: colour("selection"),
  };
  for (const name of COLOURS) {
    theme[name] = colour(name);
    theme[`bright${name[0].toUpperCase()}${name.slice(1)}`] = colour(`bright-${name}`);
  }
  probe.remove();
  return theme;
}

/** Width and height of a cell of this font at 1 px. */
function cellSize(fontFamily) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `100px ${fontFamily}`;
  const measured = context.measureText("W");
  return { width: measured.width / 100, height: (measured.fontBoundingBoxAscent + measured.fontBoundingBoxDescent) / 100 };
}
