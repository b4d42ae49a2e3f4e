// <terminal-view terminal=… state=… cols=… rows=… size=… duration-us=… started-ms=… [clock-ms=…] [at-us=…]> around the markup
// of templates/sessions_app/terminals/_terminal.html: follows a terminal live, or plays its recording. With `at-us` it
// opens paused at that moment of its own clock, or with `clock-ms` of the page's. Here stands what draws when; the bar, the
// buttons, the search and the rest are modules beside this one.

import { tellIfSignedOut } from "scrollback/terminal/answers";
import { TerminalConnection } from "scrollback/terminal/connection";
import { Follower } from "scrollback/terminal/follower";
import { exactClock } from "scrollback/terminal/moments";
import { Player } from "scrollback/terminal/player";
import { Screen } from "scrollback/terminal/screen";
import { ViewParts } from "scrollback/terminal/view-parts";

const CONNECTION_WORDS = { connecting: "Connecting…", offline: "Offline, retrying", paused: "Paused", closed: "Closed" };
// How often the map of a recording that goes on is asked for what is new. Who follows has the bytes already, and only the
// plot of them is behind.
const RELOAD_MS = 3_000;
const FOLLOWING_RELOAD_MS = 6_000;

class TerminalView extends HTMLElement {
  connectedCallback() {
    this.id_ = this.getAttribute("terminal");
    this.abort = new AbortController();
    this.screen = this.makeScreen(this.querySelector("[data-screen]"));
    this.player = new Player(this.id_, {
      apply: (frame, done) => this.screen.apply(frame, done),
      reveal: (done) => this.screen.reveal(done),
      changed: () => this.show(),
      // Only what keeps it from arriving was to be said.
      arrived: () => this.notify(""),
      failed: (error) => tellIfSignedOut(error) || this.notify(error.words || "The recording could not be read. Try again."),
      caughtUp: () => this.goOn(),
    });
    this.parts = new ViewParts(this);
    this.later();
    this.start();
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.connection?.stop();
    this.player.stop();
    this.parts.stop();
    this.abort.abort();
    this.screen.dispose();
  }

  number(name) {
    return Number(this.getAttribute(name));
  }

  makeScreen(host) {
    const { cols, rows } = { cols: this.number("cols"), rows: this.number("rows") };
    return new Screen(host, { cols, rows, tell: (target) => this.tell(target ? `Link to ${target.slice(0, 200)}` : "") });
  }

  async start() {
    const loaded = this.player.load().catch(() => null);
    if (this.hasAttribute("clock-ms")) {
      const options = { signal: this.abort.signal };
      document.addEventListener("clock:seek", ({ detail }) => this.clockMoved(detail.at_ms), options);
    }
    if (!this.hasAttribute("at-us")) this.follow();
    await loaded;
    if (this.abort.signal.aborted) return;
    if (this.hasAttribute("at-us")) this.openAt(this.number("at-us"));
    this.show();
    this.parts.search.restore();
  }

  openAt(us) {
    if (this.hasAttribute("clock-ms")) this.clockMoved(us / 1000);
    else this.seek(us);
  }

  // Following

  get following() {
    return Boolean(this.connection);
  }

  get endUs() {
    return Math.max(this.player.endUs ?? 0, this.player.map ? 0 : this.number("duration-us"));
  }

  get atUs() {
    if (!this.following) return Math.min(this.player.atUs, this.endUs);
    // What was written before comes first: until the screen has reached the end, the clock has not either.
    const size = Math.max(this.player.size, this.number("size"));
    return this.drawn.offset < size ? Math.min(this.drawn.us, this.endUs) : this.endUs;
  }

  follow() {
    if (this.connection?.isRefused) this.connection.restart();
    if (this.following) return this.screen.toBottom();
    this.player.stop();
    this.screen.clear(this.number("cols"), this.number("rows"));
    this.shownFrom = 0;
    this.connect(new Follower());
  }

  /** From what the player has drawn, which stays on the screen with the lines above it. */
  goOn() {
    this.shownFrom = this.player.shownFrom;
    this.connect(this.player.follower);
  }

  connect(follower) {
    this.drawn = { offset: follower.expected, us: follower.expected ? this.player.atUs : 0 };
    this.notify("");
    this.player.stop();
    this.connection = new TerminalConnection(this.id_, follower, {
      apply: (frame, done) => this.applyLive(frame, done),
      show: (state, why) => this.showConnection(state, why),
      // All that the page says of the recording may be of what is gone.
      anew: () => location.reload(),
    });
    this.connection.start();
    this.show();
  }

  leaveLive() {
    this.connection?.stop();
    this.connection = null;
    this.notify("");
    this.showConnection("");
  }

  applyLive(frame, done) {
    this.player.learn(frame);
    if (frame.type === "keyframe") this.shownFrom = frame.offset;
    if (frame.type === "gap") this.parts.gap(frame);
    if (frame.type === "info") this.changeState(frame.members.state);
    if (frame.type === "end") this.changeState("ended");
    this.screen.apply(frame, () => {
      done();
      this.drew(frame);
      // What is said of the screen is to be true of it.
      this.show();
    });
  }

  drew({ type, offset, timeUs, bytes }) {
    // These two say where the recording stands, not what is on the screen.
    if (type === "info" || type === "gap") return;
    this.drawn = { offset: offset + (type === "output" ? bytes.length : 0), us: Math.max(this.drawn.us, timeUs) };
  }

  get ended() {
    return this.getAttribute("state") === "ended";
  }

  changeState(state) {
    if (state === this.getAttribute("state")) return;
    this.setAttribute("state", state);
    this.dispatchEvent(new CustomEvent("terminal:state", { bubbles: true, detail: { state } }));
    this.show();
    // How it ended belongs on the bar.
    if (this.ended) this.player.reload().catch(() => null);
  }

  later() {
    clearTimeout(this.timer);
    if (!this.ended) this.timer = setTimeout(() => this.reload(), this.following ? FOLLOWING_RELOAD_MS : RELOAD_MS);
  }

  async reload() {
    // What could not be asked now is asked the next time.
    if (!document.hidden && this.player.map) await this.player.reload().catch(() => null);
    if (this.player.map?.ended) this.changeState("ended");
    if (this.isConnected) this.later();
  }

  // Playing

  toggle() {
    if (this.player.playing) return this.player.pause();
    if (this.following && !this.ended) return this.hold();
    if (this.does === "again") return this.move(() => this.player.seek(0)).then(() => this.player.play());
    this.parts.leftHit();
    this.player.play();
  }

  get does() {
    if (this.player.playing || (this.following && !this.ended)) return "pause";
    return this.following || this.atUs >= this.endUs ? "again" : "play";
  }

  /** Show this moment; it plays on if it was playing. */
  seek(us) {
    return this.move(() => this.player.seek(Math.min(Math.max(us, 0), this.endUs)));
  }

  /** As seek(); to go to the end of what goes on is to follow it. */
  go(us) {
    if (us < this.endUs || this.ended) return this.seek(us);
    this.parts.left();
    return this.follow();
  }

  /** Stay at the live end as it is now. By its bytes: what is known of times may be older than what was received. */
  hold() {
    const offset = Math.max(this.connection.follower.expected, this.player.size, this.number("size"));
    const { atUs } = this;
    return this.move(() => this.player.seekOffset(offset, atUs));
  }

  /** Any of the player's ways to another moment, after letting go of the live one. */
  async move(way) {
    if (this.following) this.leaveLive();
    this.parts.left();
    return way();
  }

  /** One of the player's steps; from the live moment on it needs to know where it stands first. */
  async step(way) {
    if (this.following && !(await this.hold())) return false;
    return this.move(way);
  }

  clockMoved(atMs) {
    const us = (atMs + this.number("clock-ms") - this.number("started-ms")) * 1000;
    this.go(us);
  }

  // Showing

  notify(text, ways) {
    this.parts.notify(text, ways);
  }

  tell(text) {
    this.parts.tell(text);
  }

  showConnection(state, { reason = "", help = "" } = {}) {
    const wasClosed = this.dataset.live === "closed";
    const isClosed = state === "closed";
    this.dataset.live = state;
    // Why it stays so has a line of its own: on a phone there is no room for it beside the rest.
    if (isClosed) this.notify(reason, { help });
    else if (wasClosed) this.notify("");
    this.tell((!isClosed && reason) || CONNECTION_WORDS[state] || "");
    this.show();
  }

  show() {
    if (!this.parts) return;
    this.parts.show();
    this.toggleAttribute("data-busy", this.player.busy);
    if (this.player.playing && this.hasAttribute("clock-ms")) this.tellClock();
  }

  tellClock() {
    const at_ms = this.number("started-ms") + this.atUs / 1000 - this.number("clock-ms");
    document.dispatchEvent(new CustomEvent("clock:at", { detail: { at_ms } }));
  }

  get address() {
    const url = new URL(`/terminals/${this.id_}/`, location.href);
    url.searchParams.set("t", exactClock(this.atUs));
    return url.href.replaceAll("%3A", ":");
  }
}

customElements.define("terminal-view", TerminalView);
