// Plays a recording with its own timing: from any moment, faster or slower, with or without its pauses.
//
// How it reads. The map (/terminals/<id>/map) says where one may begin (keyframes) and is small; it is asked for once, and
// of a recording that goes on what is new. A seek is a look into the map, one GET of /terminals/<id>/stretch (a keyframe and the
// writes up to the next one, kept for ever by the browser's cache) and a drawing: it costs the same anywhere, and going
// back never begins at 0. Neighbouring stretches are fetched ahead; a newer seek drops what an older one waits for.
//
//   const player = new Player(terminalId, {
//     apply(frame, done),   // draw one frame {type: "keyframe" | "output" | "resize" | "marker" | "exit", offset, timeUs, …}
//                           // and call done() when it is on the screen; a keyframe begins with a reset to its own size
//     changed(),            // something to be shown moved: any of the properties below
//     failed(error),        // it stopped because the recording could not be read; seek() or play() tries again
//     caughtUp(),           // optional: played to the end of a recording that goes on. Follow with
//                           // new TerminalConnection(id, player.follower, …): the screen goes on as it is
//   });
//
//   Properties (all readable at any time)
//     map          null until loaded, then {size, durationUs, ended, keyframes, events, activity}:
//                    keyframes [{offset, atUs, isHeavy}, …]; events [{kind: "resize"|"marker"|"exit", offset, atUs, text}, …];
//                    activity [{atUs, offset, bytes}, …]: how much was written from then on; all of them ascending
//     atUs         the moment that is shown, microseconds since the start; offset: bytes of output up to there
//     endUs, size  how far the recording reaches by now (of the map, or of live frames given to learn())
//     shownFrom    offset of the keyframe that the screen began with: lines above are in earlier(shownFrom)
//     follower     the Follower of what is drawn; follower.expected === offset
//     playing, busy (a seek is not on the screen yet)
//     speed        0.25 … 16, may be set at any time; skipsPauses (true): may be set at any time
//     pause        null, or {fromUs, toUs} while a long pause is being skipped (shown for 0.3 s)
//
//   Methods
//     load()               Promise of the map, fetched when it is not there; reload() asks for what is new
//     seek(us)             show all that was written up to this microsecond; Promise of true, or of false when a
//                          newer seek took over. Plays on if it was playing.
//     seekOffset(offset)   the same by bytes: exactly the first `offset` bytes (search hits, lines)
//     play(), pause()
//     nextWrite(), previousWrite(), nextKeyframe(), previousKeyframe()   step and stay paused; Promises as of seek()
//     earlier(offset)      Promise of {from, to, frames} for a second, read-only screen: apply the frames in their order
//                          (the first is a keyframe) and it shows the screen as it was at `to` === offset, with the lines before
//                          it as scrollback. earlier(from) goes on upwards; null when from is 0 already.
//     timeAt(offset), offsetAt(us)   Promises of the exact other one
//     learn(frame)         a frame of the live connection: the recording grew
//     stop()               forget what is on its way, and that the screen shows anything of the player's (another one draws now)

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
