// One WebSocket at a time that comes back after whatever ended it. It does not believe what a socket says of itself once the machine
// slept or nobody answers. What a page does with it when it hides, leaves or returns is its users' matter (live-socket.js,
// terminal/connection.js).

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
// A server accepts a socket before it fails: only one that lasted so long has worked.
const LASTS_MS = 10_000;
// A network that swallows everything neither opens nor closes a socket.
const OPENS_WITHIN_MS = 10_000;
// After so long without a word the server is asked for one.
const SILENT_MS = 20_000;
const ANSWERS_WITHIN_MS = 10_000;
// Where the page has a reason to doubt that anybody is there.
const ANSWERS_SOON_MS = 3_000;
// A clock that jumps so far says that the machine slept.
const LOOK_EVERY_MS = 5_000;
const SLEPT_MS = 15_000;

export class SteadySocket {
  #socket = null;
  #timer = 0;
  #looking = 0;
  #looked = 0;
  #heard = 0;
  #asked = 0;
  #openedAt = Infinity;
  #failures = 0;
  #isFinal = false;

  /**
   * `begin()` gives the path of each connection as it is made; `receive(data)` gets text and ArrayBuffers; after the codes for which
   * `isFinal(code)` is true it stays closed; `show(state, code)`: connecting, connected, offline, or closed for good with the server's
   * code.
   */
  constructor(begin, { receive, isFinal, show, Socket = WebSocket }) {
    Object.assign(this, { begin, receive, isFinal, show, Socket });
  }

  get isOpen() {
    return this.#socket?.readyState === 1;
  }

  /** Look from now on whether anybody is still there. */
  start() {
    this.#looked = Date.now();
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  stop() {
    clearInterval(this.#looking);
    this.drop();
  }

  /** Connect, whatever the present socket says of itself, unless the server closed for good. */
  connect() {
    if (this.#isFinal) return;
    this.#failures = 0;
    this.#open();
  }

  /** Connect, also where the server had closed for good. */
  restart() {
    this.#isFinal = false;
    this.connect();
  }

  /** What comes through this socket is of no use: another one, a little later. */
  retry() {
    // Full jitter: a restarted server is not met by every open page in the same moment.
    if (Date.now() - this.#openedAt >= LASTS_MS) this.#failures = 0;
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    this.drop();
    this.show("offline");
    this.#timer = setTimeout(() => this.#open(), 100 + Math.random() * ceiling);
  }

  /** Close, and connect no more until it is told to. */
  drop() {
    clearTimeout(this.#timer);
    this.#asked = 0;
    this.#openedAt = Infinity;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  /** Ask at once whether anybody is still there: who does not answer soon is left, and tried again. */
  doubt() {
    if (!this.isOpen) return;
    if (!this.#asked) this.#ask();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#asked && this.retry(), ANSWERS_SOON_MS);
  }

  /** Where it is open. */
  send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    this.drop();
    // No sleep before a connection is a reason against it.
    this.#looked = Date.now();
    this.show(this.#failures ? "offline" : "connecting");
    const url = new URL(this.begin(), document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new this.Socket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#timer = setTimeout(() => this.retry(), OPENS_WITHIN_MS);
    // A socket that was given up may still speak; only the present one is listened to.
    const listen = (type, act) => socket.addEventListener(type, (event) => socket === this.#socket && act(event));
    listen("open", () => {
      clearTimeout(this.#timer);
      this.#openedAt = Date.now();
      this.#hear();
      this.show("connected");
    });
    listen("message", ({ data }) => {
      this.#hear();
      this.receive(data);
    });
    listen("close", ({ code }) => this.#closed(code));
  }

  #ask() {
    this.#asked = Date.now();
    this.send({ type: "ping" });
  }

  #hear() {
    this.#heard = Date.now();
    this.#asked = 0;
  }

  #closed(code) {
    if (!this.isFinal(code)) return this.retry();
    this.#isFinal = true;
    this.drop();
    this.show("closed", code);
  }

  #look() {
    const now = Date.now();
    const passed = now - this.#looked;
    this.#looked = now;
    // Timers of a hidden tab are slow for other reasons, and it is looked after when it is seen.
    if (document.hidden) return;
    if (passed > SLEPT_MS) return this.connect();
    if (!this.isOpen) return;
    if (this.#asked && now - this.#asked >= ANSWERS_WITHIN_MS) this.retry();
    else if (!this.#asked && now - this.#heard >= SILENT_MS) this.#ask();
  }
}
