// One terminal's WebSocket: reconnects where it stopped, acknowledges what is on the screen, and stops for good when
// the server says why. `follower` says where to go on; `apply(frame, done)` draws one frame and calls done() when it is drawn.

import { HOLE } from "scrollback/terminal/follower";
import { decodeFrame } from "scrollback/terminal/frames";

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 10_000;
// A network that swallows everything neither opens nor closes a socket.
const OPENS_WITHIN_MS = 10_000;
// A hidden tab draws so slowly that it would only fall behind: it lets go and catches up when it is seen again, with a
// screen instead of everything where that is shorter.
const HIDDEN_AFTER_MS = 2_000;
// A clock that jumps so far says that the machine slept: whatever the socket says of itself, nobody may be there any more.
const LOOK_EVERY_MS = 5_000;
const SLEPT_MS = 15_000;
const ACK_BYTES = 128 * 1024;
// Events take room in the server's window too, though they move no offset.
const ACK_FRAMES = 64;
const TOO_SLOW = 4008;

const REASONS = {
  1000: "",
  4001: "You are signed out. Sign in again to go on.",
  4003: "You may not see this terminal.",
  4004: "This terminal is gone.",
  4009: "Your access has changed. Load the page again.",
};

export class TerminalConnection {
  #socket = null;
  #timer = 0;
  #hiding = 0;
  #looking = 0;
  #looked = 0;
  #hiddenSince = 0;
  #failures = 0;
  #drawn = 0;
  #drawnFrames = 0;
  #acknowledged = 0;
  #abort = null;
  #final = false;

  /** `show(state, reason)`: connecting, connected, offline, paused, ended or closed. */
  constructor(terminal, follower, { apply, show, WebSocket = globalThis.WebSocket }) {
    Object.assign(this, { terminal, follower, apply, show, WebSocket });
  }

  start() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    const options = { signal: this.#abort.signal };
    // A page in the back-forward cache must hold no socket, and a phone that wakes up must not wait for a time-out.
    addEventListener("pagehide", () => this.#letGo("paused"), options);
    addEventListener("pageshow", ({ persisted }) => persisted && this.#anew(), options);
    addEventListener("online", () => this.#again(), options);
    addEventListener("offline", () => this.#letGo("offline"), options);
    document.addEventListener("freeze", () => this.#letGo("paused"), options);
    document.addEventListener("resume", () => this.#anew(), options);
    document.addEventListener("visibilitychange", () => this.#visibility(), options);
    this.#looked = Date.now();
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#open();
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#hiding);
    clearInterval(this.#looking);
    this.#drop();
  }

  #open() {
    this.#drop();
    if (this.#final) return;
    const url = new URL(`/live/terminals/${this.terminal}/?offset=${this.follower.expected}`, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    this.show(this.#failures ? "offline" : "connecting");
    this.follower.reconnected();
    this.#drawn = this.#acknowledged = this.follower.expected;
    this.#drawnFrames = 0;
    const socket = new this.WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#retry(), OPENS_WITHIN_MS);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.show("connected");
    });
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(socket, data));
    socket.addEventListener("close", ({ code }) => socket === this.#socket && this.#closed(code));
  }

  #receive(socket, data) {
    if (typeof data === "string") {
      const { type, available, reason } = JSON.parse(data);
      if (type === "database") this.show(available ? "connected" : "offline", reason);
      return;
    }
    const frame = this.follower.receive(decodeFrame(data));
    if (frame === HOLE) return this.#open();
    if (!frame) return;
    const reached = this.follower.expected;
    this.apply(frame, () => {
      if (socket !== this.#socket) return;
      this.#drawn = reached;
      this.#drawnFrames += 1;
      // Also a little that is drawn is told when nothing more is on its way, so that the window is whole again.
      if (reached - this.#acknowledged >= ACK_BYTES || reached === this.follower.expected) this.#acknowledge(socket);
    });
  }

  #acknowledge(socket) {
    const isNews = this.#drawn !== this.#acknowledged || this.#drawnFrames >= ACK_FRAMES;
    if (!isNews || socket.readyState !== 1) return;
    this.#acknowledged = this.#drawn;
    this.#drawnFrames = 0;
    socket.send(JSON.stringify({ ack: this.#drawn }));
  }

  #closed(code) {
    this.#socket = null;
    if (code in REASONS) {
      this.#final = true;
      this.show(code === 1000 ? "ended" : "closed", REASONS[code]);
      return;
    }
    if (code === TOO_SLOW && document.hidden) return this.show("paused");
    this.#retry();
  }

  #retry() {
    this.#drop();
    this.show("offline");
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#open(), FIRST_DELAY_MS / 2 + Math.random() * ceiling);
  }

  #visibility() {
    clearTimeout(this.#hiding);
    if (document.hidden) {
      this.#hiddenSince = Date.now();
      this.#hiding = setTimeout(() => this.#letGo("paused"), HIDDEN_AFTER_MS);
    } else if (this.#hiddenSince && Date.now() - this.#hiddenSince > HIDDEN_AFTER_MS) this.#anew();
    else this.#again();
  }

  #look() {
    const passed = Date.now() - this.#looked;
    this.#looked = Date.now();
    // Timers of a hidden tab are slow for other reasons, and it is looked after when it is seen.
    if (passed > SLEPT_MS && !document.hidden) this.#anew();
  }

  /** Be connected, if one is not. */
  #again() {
    if (this.#socket?.readyState !== 1) this.#anew();
  }

  /** Connect, whatever the present socket says of itself. */
  #anew() {
    this.#failures = 0;
    this.#open();
  }

  #letGo(state) {
    this.#drop();
    if (!this.#final) this.show(state);
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }
}
