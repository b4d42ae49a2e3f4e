// <terminal-view terminal=… state=… cols=… rows=… size=… duration-us=… started-ms=… [clock-ms=…] [at-ms=…]> around the markup
// of templates/sessions_app/terminals/_terminal.html: follows a terminal live, or plays its recording. With `at-ms` it
// opens paused at that moment of its own clock, or with `clock-ms` of the page's.

import { clockText } from "scrollback/elements/time-scrubber";
import { TerminalConnection } from "scrollback/terminal/connection";
import { Follower } from "scrollback/terminal/follower";
import { Player } from "scrollback/terminal/player";
import { Screen } from "scrollback/terminal/screen";

const BAR_STEPS = 1_000;
const STEP_US = 5_000_000;
const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const EARLIER_BYTES = 4 * 1024 * 1024;
const PLAYER_KEYS = ["toggle", "back", "forward", "slower", "faster"];
const CONNECTION_WORDS = { connecting: "Connecting…", offline: "Offline, retrying", paused: "Paused", closed: "Closed" };

class TerminalView extends HTMLElement {
  connectedCallback() {
    const number = (name) => Number(this.getAttribute(name));
    this.id_ = this.getAttribute("terminal");
    this.cols = number("cols");
    this.rows = number("rows");
    this.size = number("size");
    this.endUs = number("duration-us");
    this.ended = this.getAttribute("state") === "ended";
    this.abort = new AbortController();
    this.parts = Object.fromEntries(
      ["screen", "window", "connection", "notice", "notice-text", "earlier", "play", "seek-bar", "clock", "speed", "skip", "follow", "moment"].map(
        (name) => [name, this.querySelector(`[data-${name}]`)],
      ),
    );
    this.screen = new Screen(this.parts.screen, { cols: this.cols, rows: this.rows, tell: (target) => this.tell(target) });
    this.player = new Player(this.id_, {
      sizeOf: () => this.size,
      endOf: () => this.endUs,
      apply: (frame, done) => this.apply(frame, done),
      clear: () => this.screen.clear(this.cols, this.rows),
      changed: () => this.show(),
      failed: () => this.notify("The recording could not be read. Try again."),
    });
    this.listen();
    if (!this.hasAttribute("at-ms")) this.follow();
    else if (this.hasAttribute("clock-ms")) this.clockMoved(number("at-ms"));
    else this.seek(number("at-ms") * 1000);
  }

  disconnectedCallback() {
    this.abort.abort();
    this.connection?.stop();
    this.player.stop();
    this.screen.dispose();
  }

  listen() {
    const options = { signal: this.abort.signal };
    const { play, speed, skip, follow, earlier } = this.parts;
    const bar = this.parts["seek-bar"];
    play.addEventListener("click", () => this.toggle(), options);
    follow.addEventListener("click", () => this.follow(), options);
    earlier.addEventListener("click", () => this.loadEarlier(), options);
    speed.addEventListener("change", () => (this.player.speed = Number(speed.value)), options);
    skip.addEventListener("change", () => (this.player.skipsPauses = skip.checked), options);
    bar.addEventListener("input", () => this.seek((bar.value / BAR_STEPS) * this.endUs), options);
    this.addEventListener("screen:sized", ({ detail }) => (this.parts.window.textContent = `${detail.cols}×${detail.rows}`), options);
    for (const key of PLAYER_KEYS) document.addEventListener(`player:${key}`, (event) => this.pressed(key, event), options);
    if (this.hasAttribute("clock-ms")) {
      document.addEventListener("clock:seek", ({ detail }) => this.clockMoved(detail.at_ms), options);
    }
  }

  // Following

  get following() {
    return Boolean(this.connection);
  }

  follow() {
    if (this.following) return;
    this.player.stop();
    this.player.atUs = 0;
    this.screen.clear(this.cols, this.rows);
    this.connect(new Follower());
  }

  connect(follower) {
    this.follower = follower;
    this.connection = new TerminalConnection(this.id_, follower, {
      apply: (frame, done) => this.apply(frame, done),
      show: (state, reason) => this.showConnection(state, reason),
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

  // Playing

  toggle() {
    if (this.player.playing) return this.player.pause();
    if (this.following || this.player.atUs >= this.endUs) return this.begin(0, true);
    this.player.play();
  }

  seek(us) {
    this.begin(Math.min(Math.max(us, 0), this.endUs), this.player.playing);
  }

  async begin(us, plays) {
    if (this.following) {
      this.leaveLive();
      this.player.atUs = Infinity;
    }
    const { player } = this;
    if (us === 0) player.atUs = Infinity;
    await player.seek(us);
    if (plays) player.play();
  }

  pressed(key, event) {
    event.preventDefault();
    const { player } = this;
    const at = this.following ? this.endUs : player.atUs;
    if (key === "toggle") this.toggle();
    else if (key === "back") this.seek(at - STEP_US);
    else if (key === "forward") this.seek(at + STEP_US);
    else {
      const next = SPEEDS.indexOf(player.speed) + (key === "faster" ? 1 : -1);
      player.speed = SPEEDS[Math.min(Math.max(next, 0), SPEEDS.length - 1)];
      this.parts.speed.value = String(player.speed);
    }
  }

  clockMoved(atMs) {
    const us = (atMs + Number(this.getAttribute("clock-ms")) - Number(this.getAttribute("started-ms"))) * 1000;
    if (us >= this.endUs && !this.ended) this.follow();
    else this.seek(us);
  }

  /** The megabytes before what a long recording began with, and from there everything again. */
  async loadEarlier() {
    const from = Math.max(0, this.shownFrom - EARLIER_BYTES);
    this.leaveLive();
    this.notify("Loading…");
    try {
      const reached = await this.player.drawBytes(from, this.size);
      if (reached === null) return;
      this.shownFrom = from;
      this.notifyGap(0, from);
      this.connect(new Follower(reached));
    } catch {
      this.notify("What came before could not be loaded. Try again.");
    }
  }

  // Drawing

  apply(frame, done) {
    this.size = Math.max(this.size, frame.offset + (frame.bytes && frame.type === "output" ? frame.bytes.length : 0));
    if (frame.type !== "info") this.endUs = Math.max(this.endUs, frame.timeUs);
    if (frame.type === "output") return this.screen.write(frame.bytes, done);
    if (frame.type === "resize") return this.screen.resize(frame.cols, frame.rows, done);
    if (frame.type === "keyframe") {
      this.screen.reset(frame.cols, frame.rows);
      return this.screen.write(frame.bytes, done);
    }
    if (frame.type === "gap") this.notifyGap(frame.offset, frame.to);
    if (frame.type === "info") this.inform(frame);
    if (frame.type === "end") this.ended = true;
    if (this.following) this.show();
    done();
  }

  inform({ offset, timeUs, members }) {
    this.size = Math.max(this.size, offset);
    this.endUs = Math.max(this.endUs, timeUs);
    if (!this.follower.expected) this.screen.resize(members.cols, members.rows);
    if (members.state === this.getAttribute("state")) return;
    this.setAttribute("state", members.state);
    this.ended = members.state === "ended";
    this.dispatchEvent(new CustomEvent("terminal:state", { bubbles: true, detail: members }));
  }

  notifyGap(from, to) {
    if (from === to) return this.notify("");
    this.shownFrom = to;
    const size = `${((to - from) / 1e6).toFixed(1)} MB`;
    this.notify(from ? `${size} were left out to catch up.` : `The first ${size} are not shown.`, true);
  }

  notify(text, earlier = false) {
    this.parts["notice-text"].textContent = text;
    this.parts.notice.hidden = !text;
    this.parts.earlier.hidden = !earlier;
  }

  tell(target) {
    this.parts.connection.textContent = target ? `Link to ${target.slice(0, 200)}` : "";
  }

  showConnection(state, reason = "") {
    this.dataset.live = state;
    this.parts.connection.textContent = reason || CONNECTION_WORDS[state] || "";
  }

  show() {
    const { player, following } = this;
    const at = following ? this.endUs : Math.min(player.atUs, this.endUs);
    const bar = this.parts["seek-bar"];
    const words = `${clockText(at / 1000)} of ${clockText(this.endUs / 1000)}`;
    if (!bar.matches(":active")) bar.value = this.endUs ? (at / this.endUs) * BAR_STEPS : BAR_STEPS;
    bar.setAttribute("aria-valuetext", words);
    this.parts.clock.textContent = words.replace(" of ", " / ");
    this.parts.moment.setAttribute("text", new URL(`/terminals/${this.id_}/?t=${clockText(at / 1000, true)}`, location.href));
    this.parts.follow.setAttribute("aria-pressed", String(following));
    this.parts.play.setAttribute("aria-label", player.playing ? "Pause" : following ? "Play from the start" : "Play");
    this.parts.play.querySelector("use").setAttribute("href", player.playing ? "#i-pause" : "#i-play");
    this.toggleAttribute("data-busy", player.busy);
    if (!following && this.hasAttribute("clock-ms")) this.tellClock(at);
  }

  tellClock(us) {
    const at_ms = Number(this.getAttribute("started-ms")) + us / 1000 - Number(this.getAttribute("clock-ms"));
    if (this.player.playing) document.dispatchEvent(new CustomEvent("clock:at", { detail: { at_ms } }));
  }
}

customElements.define("terminal-view", TerminalView);
