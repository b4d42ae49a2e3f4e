// The one WebSocket of a console page. It carries only news that there is news; elements fetch the rest.
//
// Sets <html data-live="connecting|connected|offline"> and dispatches on the document
//   scrollback:changed    {kind, id, seq}: this row changed, or is new
//   scrollback:connected  after each (re)connect: whatever was shown may be out of date

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
const FINAL_CODES = new Set([4001, 4003, 4009]);

export class LiveConnection {
  #url;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #stopped = true;

  constructor(path, { WebSocket = globalThis.WebSocket, root = document } = {}) {
    this.#url = new URL(path, root.baseURI);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.WebSocket = WebSocket;
    this.root = root;
  }

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#open();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = null;
  }

  #open() {
    this.#show(this.#failures ? "offline" : "connecting");
    const socket = new this.WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      this.#show("connected");
      this.root.dispatchEvent(new CustomEvent("scrollback:connected"));
    });
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => socket === this.#socket && this.#closed(code));
  }

  #receive(message) {
    if (message.type !== "changed") return;
    const { kind, id, seq } = message;
    this.root.dispatchEvent(new CustomEvent("scrollback:changed", { detail: { kind, id, seq } }));
  }

  #closed(code) {
    this.#socket = null;
    if (this.#stopped) return;
    this.#show("offline");
    if (FINAL_CODES.has(code)) {
      this.#stopped = true;
      return;
    }
    // Full jitter: a restarted server is not met by every open page in the same second.
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#open(), FIRST_DELAY_MS / 2 + Math.random() * ceiling);
  }

  #show(state) {
    this.root.documentElement.dataset.live = state;
  }
}

let shared = null;

/** The page's connection, opened by the first element that needs it. */
export function consoleConnection() {
  if (shared) return shared;
  shared = new LiveConnection("/live/console/");
  shared.start();
  // A page in the back-forward cache must hold no socket, and a phone that wakes up must not wait for a time-out.
  addEventListener("pagehide", () => shared.stop());
  addEventListener("pageshow", ({ persisted }) => persisted && shared.start());
  addEventListener("online", () => {
    shared.stop();
    shared.start();
  });
  return shared;
}
