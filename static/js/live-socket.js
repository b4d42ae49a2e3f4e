// One WebSocket that says that there is news, for as long as its page is there. It comes back after whatever ended it, and does
// not believe what a socket says of itself once the machine slept, the network changed, or nobody answers.

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
// A network that swallows everything neither opens nor closes a socket.
const OPENS_WITHIN_MS = 10_000;
// After so long without a word the server is asked for one.
const SILENT_MS = 20_000;
const ANSWERS_WITHIN_MS = 10_000;
// A clock that jumps so far says that the machine slept.
const LOOK_EVERY_MS = 5_000;
const SLEPT_MS = 15_000;
// Timers of a hidden tab are slow, so nobody looks after its socket.
const HIDDEN_MS = 30_000;
// Not signed in, not allowed, unknown, revoked: asking again would be refused again.
const FINAL_CODES = new Set([4001, 4003, 4004, 4009]);

export class LiveSocket {
  #socket = null;
  #abort = null;
  #timer = 0;
  #looking = 0;
  #looked = 0;
  #heard = 0;
  #asked = 0;
  #hiddenAt = Infinity;
  #failures = 0;
  #isFinal = false;

  /**
   * `address()` is the path, asked for with each connection; `receive(message)` gets what the server says; `show(state, code)`:
   * connecting, connected, offline, or closed for good with the server's code.
   */
  constructor(address, { receive, show, Socket = WebSocket }) {
    Object.assign(this, { address, receive, show, Socket });
  }

  start() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    const options = { signal: this.#abort.signal };
    // A page in the back-forward cache must hold no socket.
    addEventListener("pagehide", () => this.#drop(), options);
    addEventListener("pageshow", ({ persisted }) => persisted && this.#anew(), options);
    addEventListener("online", () => this.#anew(), options);
    document.addEventListener("resume", () => this.#anew(), options);
    document.addEventListener("visibilitychange", () => this.#turned(), options);
    this.#looked = Date.now();
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#open();
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    clearInterval(this.#looking);
    this.#drop();
  }

  /** Connect again, also where the server had closed for good. */
  restart() {
    this.#isFinal = false;
    if (this.#abort) this.#anew();
    else this.start();
  }

  #open() {
    this.#drop();
    this.show(this.#failures ? "offline" : "connecting");
    const url = new URL(this.address(), document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new this.Socket(url);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#retry(), OPENS_WITHIN_MS);
    // A socket that was given up may still speak; only the present one is listened to.
    const listen = (type, act) => socket.addEventListener(type, (event) => socket === this.#socket && act(event));
    listen("open", () => {
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.#hear();
      this.show("connected");
    });
    listen("message", ({ data }) => {
      this.#hear();
      this.receive(JSON.parse(data));
    });
    listen("close", ({ code }) => this.#closed(code));
  }

  #hear() {
    this.#heard = Date.now();
    this.#asked = 0;
  }

  #closed(code) {
    this.#socket = null;
    if (!FINAL_CODES.has(code)) return this.#retry();
    clearTimeout(this.#timer);
    this.#isFinal = true;
    this.show("closed", code);
  }

  #retry() {
    this.#drop();
    this.show("offline");
    // Full jitter: a restarted server is not met by every open page in the same moment.
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#open(), 100 + Math.random() * ceiling);
  }

  #turned() {
    if (!document.hidden && Date.now() - this.#hiddenAt > HIDDEN_MS) this.#anew();
    this.#hiddenAt = document.hidden ? Date.now() : Infinity;
  }

  #look() {
    const now = Date.now();
    const passed = now - this.#looked;
    this.#looked = now;
    if (document.hidden) return;
    if (passed > SLEPT_MS) return this.#anew();
    if (this.#socket?.readyState !== 1) return;
    if (this.#asked && now - this.#asked >= ANSWERS_WITHIN_MS) this.#retry();
    else if (!this.#asked && now - this.#heard >= SILENT_MS) {
      this.#asked = now;
      this.#socket.send(JSON.stringify({ type: "ping" }));
    }
  }

  /** Connect, whatever the present socket says of itself. */
  #anew() {
    if (this.#isFinal) return;
    this.#failures = 0;
    this.#open();
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#asked = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }
}
