// Follows one session for as long as its page is there. When the session is not there any more the page says so (session-gone), and is
// loaded anew once it is back.

import { showBack, showGone } from "scrollback/elements/session-gone";
import { LiveSocket } from "scrollback/live-socket";

const GONE = 4004;

export class SessionSocket {
  #id;
  #socket;
  #abort = new AbortController();
  #isGone = false;
  #isTrashed = false;

  /**
   * `cursor()` is the last place on the timeline that the page has; `news()` is called when there is more, or the session's own row
   * changed; `show(state)`: connecting, connected, offline or closed; `gone()`: before the page says that the session went.
   */
  constructor(id, { cursor, news, show, gone = () => {} }) {
    Object.assign(this, { news, show, gone });
    this.#id = id;
    this.#socket = new LiveSocket(() => `/live/sessions/${id}/?after=${cursor()}`, {
      receive: (message) => this.#receive(message),
      show: (state, code) => this.#turned(state, code),
    });
  }

  start() {
    document.addEventListener("scrollback:changed", ({ detail }) => this.#heard(detail), { signal: this.#abort.signal });
    this.#socket.start();
  }

  stop() {
    this.#abort.abort();
    this.#socket.stop();
  }

  #turned(state, code) {
    this.show(state);
    if (code !== GONE) return;
    this.#isGone = true;
    this.gone();
    showGone(this.#isTrashed);
  }

  /** Somebody may have restored it; whoever asks too early is told the same again. */
  #heard({ kind, id }) {
    if (this.#isGone && kind === "session" && id === this.#id) this.#socket.restart();
  }

  #receive({ type }) {
    if (type === "trashed") this.#isTrashed = true;
    else if (type !== "news" && type !== "changed") return;
    else if (this.#isGone) showBack();
    else this.news();
  }
}
