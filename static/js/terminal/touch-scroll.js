// A finger on the screen: xterm.js 6 knows nothing of one (xtermjs/xterm.js #5489). Up and down it moves the lines that scrolled
// away, as long as there are any in that direction. The rest stays the browser's: the page beyond them, a window that is larger
// than its room, two fingers, a long press. Who moves what is decided with the first movement, as browsers do it themselves.

// What a finger did so shortly before it left says how fast the lines go on.
const RECENT_MS = 100;
const LEAST_SPEED = 0.05;
// After so long a third of the speed is left, as on most phones.
const FADE_MS = 325;
const LONGEST_FRAME_MS = 50;

export class TouchScroll {
  // Of the touch that goes on: null without one, and once it is the browser's.
  #gesture = null;
  #frame = 0;
  // What was moved and is less than a line.
  #rest = 0;

  /**
   * `rowPx()` is the height of a line, `hasLines(direction)` says whether lines are left upwards (-1) or downwards (1), `scroll(lines)`
   * moves them, `above()` hears of each movement upwards that finds none.
   */
  constructor(host, { rowPx, hasLines, scroll, above, signal }) {
    Object.assign(this, { host, rowPx, hasLines, scroll, above });
    // Not passive, though it never prevents anything: only so may a movement that follows.
    host.addEventListener("touchstart", (event) => this.#begin(event), { passive: false, signal });
    signal.addEventListener("abort", () => this.#end());
  }

  #begin({ touches, target, timeStamp }) {
    this.#end();
    if (touches.length > 1) return;
    const [{ clientX: x, clientY: y }] = touches;
    const abort = new AbortController();
    this.#gesture = { x, y, isMine: false, moves: [{ y, at: timeStamp }], abort };
    const options = { passive: false, signal: abort.signal };
    // The thumb follows its finger by itself, as long as the browser does not take it for a scroll of the page.
    if (target.closest(".scrollbar")) return target.addEventListener("touchmove", (event) => event.preventDefault(), options);
    // On the element itself: lines that are drawn anew take it off the page, and it gets the events all the same.
    target.addEventListener("touchmove", (event) => this.#move(event), options);
    target.addEventListener("touchend", ({ timeStamp: at }) => this.#left(at), options);
    target.addEventListener("touchcancel", () => this.#end(), options);
  }

  #end() {
    cancelAnimationFrame(this.#frame);
    this.#gesture?.abort.abort();
    this.#gesture = null;
    this.#rest = 0;
  }

  #move(event) {
    const gesture = this.#gesture;
    const [{ clientX: x, clientY: y }] = event.touches;
    const before = gesture.moves.at(-1).y;
    if (event.touches.length > 1) return this.#end();
    if (!gesture.isMine) {
      if (x === gesture.x && y === gesture.y) return;
      const isUpright = Math.abs(y - gesture.y) > Math.abs(x - gesture.x);
      gesture.isMine = isUpright && event.cancelable && this.#isFor(Math.sign(before - y));
      if (!gesture.isMine) {
        this.#end();
        if (isUpright && y > before) this.above();
        return;
      }
    }
    event.preventDefault();
    gesture.moves = gesture.moves.filter(({ at }) => event.timeStamp - at < RECENT_MS);
    gesture.moves.push({ y, at: event.timeStamp });
    this.#by(before - y);
  }

  /** Whether it is the lines that move: of a window that is higher than its room the rest is looked at first. */
  #isFor(direction) {
    const { scrollTop, scrollHeight, clientHeight } = this.host;
    const isAtEdge = direction < 0 ? scrollTop < 1 : scrollTop + clientHeight > scrollHeight - 1;
    return isAtEdge && this.hasLines(direction);
  }

  /** By so many pixels; false where no line is left in that direction. */
  #by(px) {
    if (!px) return true;
    const direction = Math.sign(px);
    this.#rest += px / this.rowPx();
    const lines = Math.trunc(this.#rest);
    this.#rest -= lines;
    if (lines) this.scroll(lines);
    if (this.hasLines(direction)) return true;
    this.#rest = 0;
    if (direction < 0) this.above();
    return false;
  }

  #left(at) {
    const { isMine, moves } = this.#gesture;
    const first = moves.find((move) => at - move.at < RECENT_MS);
    this.#end();
    if (isMine && first) this.#glide((first.y - moves.at(-1).y) / Math.max(1, at - first.at));
  }

  /** Go on by itself, slower and slower, from a speed in pixels a millisecond. */
  #glide(speed) {
    let before = performance.now();
    const step = (now) => {
      const passed = Math.min(Math.max(now - before, 0), LONGEST_FRAME_MS);
      before = now;
      const moved = this.#by(speed * passed);
      speed *= Math.exp(-passed / FADE_MS);
      if (moved && Math.abs(speed) >= LEAST_SPEED) this.#frame = requestAnimationFrame(step);
    };
    if (Math.abs(speed) >= LEAST_SPEED) this.#frame = requestAnimationFrame(step);
  }
}
