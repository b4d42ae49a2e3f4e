// Plays a recording with its own timing: from any moment, faster or slower, with or without its pauses.
// Reads the frames over HTTP, where each write of the program is one frame.

import { Follower } from "scrollback/terminal/follower";
import { decodeFrames } from "scrollback/terminal/frames";

const LONGEST_PAUSE_US = 2_000_000;
// What a skipped pause still lasts, so that one sees that there was one.
const SHOWN_PAUSE_US = 300_000;
// xterm.js throws data away beyond 50 MB that wait; it is never given so much.
const MOST_UNDRAWN_BYTES = 2 * 1024 * 1024;

export class Player {
  #frames = [];
  #next = 0;
  #follower = new Follower();
  #fetching = null;
  #undrawn = 0;
  #turn = 0;
  #before = 0;

  /**
   * `sizeOf()` and `endOf()`: bytes and microseconds that the recording has by now. `apply(frame, done)` draws one frame,
   * `clear()` empties the screen, `changed()` is called whenever something to be shown moved, `failed(error)` once it stopped.
   */
  constructor(terminal, { sizeOf, endOf, apply, clear, changed, failed }) {
    Object.assign(this, { terminal, sizeOf, endOf, apply, clear, changed, failed });
    this.atUs = 0;
    this.speed = 1;
    this.skipsPauses = true;
    this.playing = false;
    this.busy = false;
  }

  get expected() {
    return this.#follower.expected;
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.#before = performance.now();
    this.#soon(this.#turn);
    this.changed();
  }

  pause() {
    this.playing = false;
    this.changed();
  }

  /** Forget everything that is on its way. */
  stop() {
    this.#turn += 1;
    this.playing = this.busy = false;
    this.#fetching = null;
  }

  /** Show the moment `us`; going back means to begin again. */
  async seek(us) {
    const playing = this.playing;
    this.stop();
    const turn = this.#turn;
    this.busy = true;
    if (us < this.atUs || !this.#follower.expected) this.#rewind();
    this.atUs = us;
    this.changed();
    try {
      await this.#drawUntil(us, turn);
    } catch (error) {
      return this.#fail(error);
    }
    if (turn !== this.#turn) return;
    this.busy = false;
    if (playing) this.play();
    this.changed();
  }

  /** Draw everything up to byte `offset` from near byte `from`, without its timing; the offset reached. */
  async drawBytes(from, offset) {
    this.stop();
    const turn = this.#turn;
    this.#rewind(from);
    while (turn === this.#turn && this.#follower.expected < offset && (await this.#have())) await this.#applyNext();
    return turn === this.#turn ? this.#follower.expected : null;
  }

  #rewind(from = 0) {
    this.#follower = new Follower(from);
    this.#frames = [];
    this.#next = 0;
    this.#undrawn = 0;
    this.atUs = 0;
    this.clear();
  }

  async #drawUntil(us, turn) {
    while (turn === this.#turn && (await this.#have()) && this.#frames[this.#next].timeUs <= us) {
      if (turn !== this.#turn) return;
      await this.#applyNext();
    }
  }

  async #tick(turn) {
    if (!this.playing || turn !== this.#turn) return;
    const now = performance.now();
    this.atUs += (now - this.#before) * 1000 * this.speed;
    this.#before = now;
    const more = await this.#have();
    if (!this.playing || turn !== this.#turn) return;
    if (more) this.#skipPause();
    await this.#drawUntil(this.atUs, turn);
    if (turn !== this.#turn) return;
    if (!(await this.#have()) && this.atUs >= this.endOf()) {
      this.atUs = this.endOf();
      this.playing = false;
    }
    // Waiting for the network is not time that passed in the recording.
    if (performance.now() - now > 500) this.#before = performance.now();
    this.changed();
    this.#soon(turn);
  }

  #soon(turn) {
    requestAnimationFrame(() => this.#tick(turn).catch((error) => this.#fail(error)));
  }

  #fail(error) {
    this.stop();
    this.failed(error);
    this.changed();
  }

  #skipPause() {
    const next = this.#frames[this.#next].timeUs;
    if (this.skipsPauses && next - this.atUs > LONGEST_PAUSE_US) this.atUs = next - SHOWN_PAUSE_US * this.speed;
  }

  #applyNext() {
    const frame = this.#frames[this.#next++];
    const applied = this.#follower.receive(frame);
    if (!applied || typeof applied === "symbol") return null;
    const size = applied.bytes?.length ?? 0;
    this.#undrawn += size;
    const drawn = new Promise((resolve) => {
      this.apply(applied, () => {
        this.#undrawn -= size;
        resolve();
      });
    });
    return this.#undrawn > MOST_UNDRAWN_BYTES ? drawn : null;
  }

  /** Whether there is another frame, after fetching it if need be. */
  async #have() {
    while (this.#next >= this.#frames.length) {
      if (this.#follower.expected >= this.sizeOf() && this.#fetching === "end") return false;
      const turn = this.#turn;
      const from = this.#follower.expected;
      const response = await fetch(`/terminals/${this.terminal}/frames?from=${from}`);
      if (turn !== this.#turn) return false;
      if (!response.ok) throw new Error(`the recording could not be read: HTTP ${response.status}`);
      this.#frames = decodeFrames(await response.arrayBuffer());
      this.#next = 0;
      if (turn !== this.#turn) return false;
      // Events at the very end are sent again each time; without new bytes there is nothing more.
      this.#fetching = from >= this.sizeOf() ? "end" : null;
      if (this.#fetching === "end" && !this.#frames.length) return false;
    }
    return true;
  }
}
