// The one WebSocket of a console page. It carries only news that there is news; elements fetch the rest.
//
// Sets <html data-live="connecting|connected|offline|closed"> and dispatches on the document
//   scrollback:changed    {kind, id, seq}: this row changed, or is new
//   scrollback:refresh    after each (re)connect and when too much changed to say what: all shown may be out of date
//   scrollback:counts     {needs_me, running, live_terminals}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
const ASLEEP_MS = 30_000;
// Not signed in, not allowed, unknown, revoked: asking again would be refused again.
const FINAL_CODES = new Set([4001, 4003, 4004, 4009]);

export class LiveConnection {
  #url;
  #root;
  #Socket;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #stopped = true;

  constructor(path, { Socket = WebSocket, root = document } = {}) {
    this.#url = new URL(path, root.baseURI);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#Socket = Socket;
    this.#root = root;
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

  restart() {
    this.stop();
    this.start();
  }

  #open() {
    this.#show(this.#failures ? "offline" : "connecting");
    const socket = new this.#Socket(this.#url);
    this.#socket = socket;
    // A socket that was given up may still speak; only the present one is listened to.
    const listen = (type, act) => socket.addEventListener(type, (event) => socket === this.#socket && act(event));
    listen("open", () => this.#opened());
    listen("message", ({ data }) => this.#receive(JSON.parse(data)));
    listen("close", ({ code }) => this.#closed(code));
  }

  #opened() {
    this.#failures = 0;
    this.#show("connected");
    this.#say("refresh");
  }

  #receive({ type, ...detail }) {
    if (["changed", "refresh", "counts"].includes(type)) this.#say(type, detail);
  }

  #say(type, detail) {
    this.#root.dispatchEvent(new CustomEvent(`scrollback:${type}`, { detail }));
  }

  #closed(code) {
    this.#socket = null;
    if (FINAL_CODES.has(code)) {
      this.#stopped = true;
      return this.#show("closed");
    }
    this.#show("offline");
    // Full jitter: a restarted server is not met by every open page in the same moment.
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#open(), 100 + Math.random() * ceiling);
  }

  #show(state) {
    this.#root.documentElement.dataset.live = state;
  }
}

let shared = null;

/** The page's connection, opened by the first element that needs it. */
export function consoleConnection() {
  if (shared) return shared;
  shared = new LiveConnection("/live/console/");
  shared.start();
  // A page in the back-forward cache must hold no socket; a laptop or phone that slept holds one that is dead
  // without knowing it.
  let hiddenAt = Infinity;
  addEventListener("pagehide", () => shared.stop());
  addEventListener("pageshow", ({ persisted }) => persisted && shared.start());
  addEventListener("online", () => shared.restart());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - hiddenAt > ASLEEP_MS) shared.restart();
    hiddenAt = document.hidden ? Date.now() : Infinity;
  });
  return shared;
}
