// The drawn terminal: xterm.js with the recorded window, the page's colours, and no way back to the program.

import { keepWidths } from "scrollback/terminal/letter-widths";
import { linkHandler } from "scrollback/terminal/links";
import { loadWidths, makeSafe } from "scrollback/terminal/safety";
import { cellSize, themeOf, withNonce } from "scrollback/terminal/screen-theme";
import { TouchScroll } from "scrollback/terminal/touch-scroll";
import { Unicode11Addon } from "vendor/xterm/addon-unicode11";
import { Terminal } from "vendor/xterm/xterm";

const SCROLLBACK_LINES = 10_000;
// xterm.js takes 12 bytes for each cell of each line: of lines of more than 400 columns fewer are kept. What was before opens by itself.
const SCROLLBACK_CELLS = 4_000_000;
const MARK_BYTES = 64 * 1024;
// More than any screen holds.
const FAR_LINES = 10_000_000;
const LARGEST_PX = 18;
const SMALLEST_PX = 5;
const READABLE_PX = 12;
const LINE_HEIGHT = 1.2;
// That of WCAG's level AA.
const LEAST_CONTRAST = 4.5;

export class Screen {
  #host;
  #observer;
  #abort = new AbortController();
  // Steps behind a change of size that is not done yet; null when there is none.
  #waiting = null;
  #turn = 0;
  // {offset, marker} for some rows, ascending.
  #marks = [];
  // How many bytes are drawn.
  #reached = 0;
  // Whether lines were dropped since the screen began.
  #isCut = false;

  #wasAtBottom = true;
  // Whether the end of a window that is too high for its room is in sight: it stays so, whatever changes its size or the room's.
  #isAtEnd = true;
  // Of the lines when xterm.js was last told where it stands.
  #placedPx = 0;
  // For which letters, columns and room the letters were chosen.
  #wanted = "";

  // Whether the whole window is to be seen at once, or its letters are to be read.
  fits = true;

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
      scrollback: scrollbackOf(cols),
      theme: themeOf(host),
      cursorInactiveStyle: "outline",
      // Programs choose colours for the terminal they ran in, which was often dark: dark surfaces with the text left as it is.
      minimumContrastRatio: LEAST_CONTRAST,
    });
    // Keys belong to the page: a terminal that took Tab would be a trap, and nothing may reach the program.
    this.terminal.attachCustomKeyEventHandler(() => false);
    makeSafe(this.terminal);
    loadWidths(this.terminal, new Unicode11Addon());
    withNonce(() => this.terminal.open(host));
    this.terminal.textarea?.setAttribute("tabindex", "-1");
    const options = { signal: this.#abort.signal };
    keepWidths(this.terminal, options);
    document.addEventListener("scrollback:theme", () => this.#recolour(), options);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#recolour(), options);
    host.addEventListener("keydown", (event) => this.#scroll(event), options);
    host.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && this.atTop && this.#above(), { passive: true, ...options });
    host.addEventListener("scroll", () => (this.#isAtEnd = host.scrollHeight - host.scrollTop - host.clientHeight < 2), options);
    new TouchScroll(host, {
      rowPx: () => this.#rowPx,
      hasLines: (direction) => (direction < 0 ? !this.atTop : !this.atBottom),
      scroll: (lines) => this.terminal.scrollLines(lines),
      above: () => this.atTop && this.#above(),
      signal: this.#abort.signal,
    });
    this.terminal.onRender(() => this.#drawn());
    this.#observer = new ResizeObserver(() => this.fit());
    this.#observer.observe(host);
    this.fit();
  }

  get #rowPx() {
    return this.terminal.element.querySelector(".xterm-screen").clientHeight / this.terminal.rows;
  }

  /** Draw one frame of the live protocol; frames that are not for the screen are done once those before them are. */
  apply(frame, done) {
    if (frame.type === "output") return this.#output(frame, done);
    if (frame.type === "resize") return this.resize(frame.cols, frame.rows, done);
    // Who acknowledges it says that all before it is drawn.
    if (frame.type !== "keyframe") return this.write("", done);
    this.reset(frame.cols, frame.rows);
    this.write(frame.bytes, () => {
      this.#marks = [];
      this.#mark(frame.offset);
      done();
    });
  }

  #output({ offset, bytes }, done) {
    for (let from = 0; ; from += MARK_BYTES) {
      const to = Math.min(from + MARK_BYTES, bytes.length);
      const isLast = to === bytes.length;
      this.write(bytes.subarray(from, to), () => {
        this.#mark(offset + to);
        if (isLast) done();
      });
      if (isLast) return;
    }
  }

  /** Remember at which row these bytes ended; rows that leave the scrollback take their marks along. */
  #mark(offset) {
    this.#reached = offset;
    this.#marks = this.#marks.filter(({ marker }) => !marker.isDisposed);
    if (this.terminal.buffer.active.type !== "normal" || offset - (this.#marks.at(-1)?.offset ?? -Infinity) < MARK_BYTES) return;
    const marker = this.terminal.registerMarker(0);
    if (marker) this.#marks.push({ offset, marker });
  }

  /**
   * Where the lines above the first one are: {offset, rows} says that `offset` bytes ended that many rows below it. Null when
   * nothing was before, `shownFrom` being the offset of the keyframe that the screen began with.
   */
  above(shownFrom) {
    const { active } = this.terminal.buffer;
    if (active.type !== "normal" || !(shownFrom || this.#isCut || this.#isFull)) return null;
    const mark = this.#marks.find(({ marker }) => !marker.isDisposed);
    return mark?.offset ? { offset: mark.offset, rows: mark.marker.line } : null;
  }

  get #isFull() {
    return this.terminal.buffer.normal.length >= this.terminal.options.scrollback + this.terminal.rows;
  }

  write(bytes, done) {
    this.#inTurn(() => this.terminal.write(bytes, done));
  }

  /**
   * A program that draws its screen anew holds it back meanwhile (mode 2026), and xterm.js for a second at most. Who came to
   * rest in between sees what is there.
   */
  reveal(done) {
    this.write("", () => {
      if (this.terminal.modes.synchronizedOutputMode) {
        // What ends it is not written: it would break a sequence of which only the beginning is there.
        this.terminal._core.coreService.decPrivateModes.synchronizedOutput = false;
        this.terminal.refresh(0, this.terminal.rows - 1);
      }
      done();
    });
  }

  /** An empty screen of this size, after all that was written before. */
  reset(cols, rows, done) {
    this.#between(() => {
      this.terminal.reset();
      this.#isCut = false;
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
    const isOther = cols !== this.terminal.cols || rows !== this.terminal.rows;
    // A wider window keeps fewer lines, and a narrower one after it does not bring them back.
    this.#isCut ||= this.#isFull;
    this.terminal.options.scrollback = scrollbackOf(cols);
    this.#isCut ||= this.#isFull;
    this.terminal.resize(cols, rows);
    // The marks may have gone with the lines.
    if (this.#isCut) this.#mark(this.#reached);
    if (isOther) this.fit();
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
    const fitting = quartersOf(Math.min(LARGEST_PX, Math.max(SMALLEST_PX, Math.min(wide, Math.max(high, wide / 2)))));
    this.#setLetters(this.fits ? fitting : Math.max(fitting, READABLE_PX), this.fits ? width : Infinity);
    this.#keepPlace();
    // Where a window is too high for its room the end is what counts.
    if (this.#isAtEnd) this.#host.scrollTop = this.#host.scrollHeight;
  }

  /** Letters of this size, or smaller ones where the lines are wider than their room: some browsers draw letters whole pixels wide. */
  #setLetters(px, room) {
    const { terminal } = this;
    const wanted = `${px} ${terminal.cols} ${room}`;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const screen = terminal.element.querySelector(".xterm-screen");
    let size = px;
    for (;;) {
      if (size !== terminal.options.fontSize) terminal.options.fontSize = size;
      if (screen.clientWidth <= room || size <= SMALLEST_PX) return;
      size = Math.max(SMALLEST_PX, Math.min(size - 0.25, quartersOf((size * room) / screen.clientWidth)));
    }
  }

  /**
   * Other letters and another zoom make other lines, and xterm.js 6 remembers its place in pixels of those that were: the next one
   * that is scrolled would lead far away.
   */
  #keepPlace() {
    const rowPx = this.#rowPx;
    if (rowPx === this.#placedPx) return;
    this.#placedPx = rowPx;
    const { viewportY } = this.terminal.buffer.active;
    if (!viewportY) return;
    this.terminal.scrollLines(-FAR_LINES);
    this.terminal.scrollLines(viewportY);
  }

  dispose() {
    this.#abort.abort();
    this.#observer.disconnect();
    this.terminal.dispose();
  }

  #recolour() {
    withNonce(() => (this.terminal.options.theme = themeOf(this.#host)));
  }

  /** Up and down in what scrolled away. Beyond its top the reader wants what was before: the event screen:above. */
  #scroll(event) {
    const { terminal } = this;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowUp: () => terminal.scrollLines(-1),
      ArrowDown: () => terminal.scrollLines(1),
      PageUp: () => terminal.scrollPages(-1),
      PageDown: () => terminal.scrollPages(1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    if (event.key.endsWith("Up") && this.atTop) this.#above();
    act();
  }

  /** However one scrolls, it is drawn. Who leaves the end, or comes back to it, is told of by the event screen:moved. */
  #drawn() {
    if (this.atBottom === this.#wasAtBottom) return;
    this.#wasAtBottom = this.atBottom;
    this.#host.dispatchEvent(new CustomEvent("screen:moved", { bubbles: true }));
  }

  get atBottom() {
    const { active } = this.terminal.buffer;
    return active.viewportY >= active.baseY;
  }

  toBottom() {
    this.terminal.scrollToBottom();
    this.#host.scrollTop = this.#host.scrollHeight;
  }

  get atTop() {
    return this.terminal.buffer.active.viewportY === 0;
  }

  #above() {
    this.#host.dispatchEvent(new CustomEvent("screen:above", { bubbles: true }));
  }
}

/** How many lines above the screen are kept. */
function scrollbackOf(cols) {
  return Math.min(SCROLLBACK_LINES, Math.floor(SCROLLBACK_CELLS / cols));
}

function quartersOf(px) {
  return Math.floor(px * 4) / 4;
}
