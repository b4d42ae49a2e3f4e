// One WebSocket that says that there is news, for as long as its page is there.

import { SteadySocket } from "scrollback/steady-socket";

// Timers of a hidden tab are slow, so nobody looks after its socket.
const HIDDEN_MS = 30_000;
// Not signed in, not allowed, unknown, revoked: asking again would be refused again.
const FINAL_CODES = new Set([4001, 4003, 4004, 4009, 4010]);

export class LiveSocket {
  #socket;
  #abort = null;
  #hiddenAt = Infinity;

  /**
   * `address()` is the path, asked for with each connection; `receive(message)` gets what the server says; `show(state, code)`:
   * connecting, connected, offline, or closed for good with the server's code.
   */
  constructor(address, { receive, show, Socket }) {
    this.#socket = new SteadySocket(address, {
      receive: (data) => receive(JSON.parse(data)),
      isFinal: (code) => FINAL_CODES.has(code),
      show,
      Socket,
    });
  }

  start() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    const options = { signal: this.#abort.signal };
    // A page in the back-forward cache must hold no socket.
    addEventListener("pagehide", () => this.#socket.drop(), options);
    addEventListener("pageshow", ({ persisted }) => persisted && this.#socket.connect(), options);
    addEventListener("online", () => this.#socket.connect(), options);
    document.addEventListener("resume", () => this.#socket.connect(), options);
    document.addEventListener("visibilitychange", () => this.#turned(), options);
    this.#socket.start();
    this.#socket.restart();
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    this.#socket.stop();
  }

  /** Connect again, also where the server had closed for good. */
  restart() {
    if (this.#abort) this.#socket.restart();
    else this.start();
  }

  #turned() {
    if (!document.hidden && Date.now() - this.#hiddenAt > HIDDEN_MS) this.#socket.connect();
    this.#hiddenAt = document.hidden ? Date.now() : Infinity;
  }
}
