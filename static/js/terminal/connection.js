// One terminal's WebSocket: goes on where it stopped, acknowledges what is on the screen, and stops for good when the
// server says why. `follower` says where to go on; `apply(frame, done)` draws one frame and calls done() when it is drawn.

import { SteadySocket } from "scrollback/steady-socket";
import { REFUSALS } from "scrollback/terminal/answers";
import { HOLE } from "scrollback/terminal/follower";
import { decodeFrame } from "scrollback/terminal/frames";

// A hidden tab draws so slowly that it would only fall behind: it lets go and catches up when it is seen again, with a
// screen instead of everything where that is shorter.
const HIDDEN_AFTER_MS = 2_000;
const ACK_BYTES = 128 * 1024;
// Events take room in the server's window too, though they move no offset.
const ACK_FRAMES = 64;

// An older database was restored: what the page shows was taken back.
const TAKEN_BACK = 4011;

// After these it stays closed.
const REASONS = {
  1000: "",
  4001: "You are signed out. Sign in again to go on.",
  4003: REFUSALS[403],
  4004: REFUSALS[404],
  4009: "Your access has changed. Load the page again.",
  4010: "What is stored of this terminal is damaged: scrollback terminals rebuild with its id repairs its screens and text, a backup its output.",
};
const HELPS = { 4001: "sign-in", 4009: "reload" };

export class TerminalConnection {
  #socket;
  // Which connection it is, as frames of an earlier one may be drawn late; and where it went on.
  #connection = 0;
  #begun = 0;
  #hiding = 0;
  #hiddenSince = 0;
  #drawn = 0;
  #drawnFrames = 0;
  #acknowledged = 0;
  #abort = null;
  // The code with which the server closed for good.
  #over = 0;

  /**
   * `show(state, {reason, help})`: connecting, connected, offline, paused, ended or closed, why, and what helps a person there
   * (sign-in or reload), if anything does; `anew()`: what is shown was taken back.
   */
  constructor(terminal, follower, { apply, show, anew, WebSocket }) {
    Object.assign(this, { terminal, follower, apply, show, anew });
    this.#socket = new SteadySocket(() => this.#begin(), {
      receive: (data) => this.#receive(data),
      isFinal: (code) => code in REASONS || code === TAKEN_BACK,
      show: (state, code) => this.#turned(state, code),
      Socket: WebSocket,
    });
  }

  start() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    const options = { signal: this.#abort.signal };
    // A page in the back-forward cache must hold no socket, and a phone that wakes up must not wait for a time-out.
    addEventListener("pagehide", () => this.#letGo(), options);
    addEventListener("pageshow", ({ persisted }) => persisted && this.#connect({ wasAway: true }), options);
    // Also where there was a network before: the socket went through that one.
    addEventListener("online", () => this.#connect(), options);
    // A server on the machine itself is there as before; another one is tried again once it does not answer.
    addEventListener("offline", () => this.#socket.doubt(), options);
    document.addEventListener("freeze", () => this.#letGo(), options);
    document.addEventListener("resume", () => this.#connect(), options);
    document.addEventListener("visibilitychange", () => this.#visibility(), options);
    this.#socket.start();
    this.#connect();
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#hiding);
    this.#socket.stop();
  }

  /** Whether it stays closed though the recording may go on. */
  get isRefused() {
    return Boolean(this.#over) && this.#over !== 1000;
  }

  /** Go on where it stopped, also where the server had closed for good. */
  restart() {
    this.#socket.restart();
  }

  #begin() {
    this.follower.reconnected();
    this.#connection += 1;
    this.#begun = this.#drawn = this.#acknowledged = this.follower.expected;
    this.#drawnFrames = 0;
    return `/live/terminals/${this.terminal}/?offset=${this.follower.expected}`;
  }

  #turned(state, code) {
    this.#over = state === "closed" ? code : 0;
    if (code === TAKEN_BACK) this.anew();
    else this.show(code === 1000 ? "ended" : state, { reason: REASONS[code], help: HELPS[code] });
  }

  #receive(data) {
    if (typeof data === "string") {
      const { type, available, reason } = JSON.parse(data);
      if (type === "database") this.show(available ? "connected" : "offline", { reason });
      return;
    }
    const frame = this.follower.receive(decodeFrame(data));
    if (frame === HOLE) return this.#missed();
    if (!frame) return;
    const connection = this.#connection;
    const reached = this.follower.expected;
    this.apply(frame, () => {
      if (connection !== this.#connection) return;
      this.#drawn = reached;
      this.#drawnFrames += 1;
      // Also a little that is drawn is told when nothing more is on its way, so that the window is whole again.
      if (reached - this.#acknowledged >= ACK_BYTES || reached === this.follower.expected) this.#acknowledge();
    });
  }

  /** At once, unless this connection brought nothing: the next one might do the same for ever. */
  #missed() {
    if (this.follower.expected > this.#begun) this.#socket.connect();
    else this.#socket.retry();
  }

  #acknowledge() {
    const isNews = this.#drawn !== this.#acknowledged || this.#drawnFrames >= ACK_FRAMES;
    if (!isNews || !this.#socket.isOpen) return;
    this.#acknowledged = this.#drawn;
    this.#drawnFrames = 0;
    this.#socket.send({ ack: this.#drawn });
  }

  #visibility() {
    clearTimeout(this.#hiding);
    if (document.hidden) {
      this.#hiddenSince = Date.now();
      this.#hiding = setTimeout(() => this.#letGo(), HIDDEN_AFTER_MS);
      return;
    }
    const wasAway = this.#hiddenSince > 0 && Date.now() - this.#hiddenSince > HIDDEN_AFTER_MS;
    if (wasAway || !this.#socket.isOpen) this.#connect({ wasAway });
  }

  /** Anew, or where nobody sees it once it is seen: a tab that is hidden already is not told that it hides. */
  #connect({ wasAway = false } = {}) {
    if (document.hidden) this.#letGo();
    // Whoever was away may have signed in there.
    else if (wasAway && HELPS[this.#over]) this.restart();
    else this.#socket.connect();
  }

  #letGo() {
    this.#socket.drop();
    if (!this.#over) this.show("paused");
  }
}
