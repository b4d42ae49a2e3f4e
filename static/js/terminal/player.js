// Plays a recording with its own timing: from any moment, faster or slower, with or without its pauses.
//
// How it reads. The map (/terminals/<id>/map) says where one may begin (keyframes) and is small; it is asked for once, and
// of a recording that goes on what is new. A seek is a look into the map, one GET of /terminals/<id>/stretch (a screen and the
// writes up to the next keyframe, kept for ever by the browser's cache) and a drawing: it costs the same anywhere, and going
// back never begins at 0. The screen is a keyframe where one lies near before the target; else the server draws that of the
// target, which takes it a few milliseconds and the browser a tenth of a second. Neighbouring stretches are fetched ahead; a newer seek drops what an older one waits for.
//
//   const player = new Player(terminalId, {
//     apply(frame, done),   // draw one frame {type: "keyframe" | "output" | "resize" | "marker" | "exit", offset, timeUs, …}
//                           // and call done() when it is on the screen; a keyframe begins with a reset to its own size
//     reveal(done),         // show what the program holds back: one has come to rest here
//     changed(),            // something to be shown moved: any of the properties below
//     arrived(),            // optional: the moment that was sought is on the screen, as after failed() when it could be read
//     failed(error),        // it stopped because the recording could not be read; seek() or play() tries again
//     caughtUp(),           // optional: played to the end of a recording that goes on. Follow with
//                           // new TerminalConnection(id, player.follower, …): the screen goes on as it is
//   });
//
//   Properties (all readable at any time)
//     map          null until loaded, then {size, durationUs, ended, keyframes, events, activity}:
//                    keyframes [{offset, atUs, isHeavy}, …]; events [{kind: "resize"|"marker"|"exit", offset, atUs, text}, …];
//                    activity [{atUs, untilUs, offset, bytes}, …]: how much was written from then on, and when the last
//                    of it; all of them ascending
//     atUs         the moment that is shown, microseconds since the start; offset: bytes of output up to there
//     endUs, size  how far the recording reaches by now (of the map, or of live frames given to learn())
//     shownFrom    offset of the keyframe that the screen began with: lines above are in earlier(shownFrom)
//     follower     the Follower of what is drawn; follower.expected === offset
//     playing, busy (a seek is not on the screen yet)
//     speed        0.25 … 16, may be set at any time; skipsPauses (true): may be set at any time
//     skipped      null, or {fromUs, toUs} while a long pause is being skipped (shown for 0.3 s)
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

import { Drawing } from "scrollback/terminal/drawing";
import { Follower, HOLE } from "scrollback/terminal/follower";
import { endOf, joined, until } from "scrollback/terminal/frames";
import { Recording } from "scrollback/terminal/recording";

const LONGEST_PAUSE_US = 2_000_000;
// What a skipped pause still lasts, so that one sees that there was one.
const SHOWN_PAUSE_US = 300_000;
// xterm.js throws data away beyond 50 MB that wait; it is never given so much.
const MOST_UNDRAWN_BYTES = 2 * 1024 * 1024;
// A screen that is so little ahead is not worth a new beginning, which would cost the lines above it.
const AHEAD_BYTES = 64 * 1024;
// How often a recording that goes on is asked for more while one waits at its end.
const ASK_AGAIN_MS = 500;
// Whoever seeks on sooner, as with a hand on the bar, does not want what is around, and would wait for it.
const STAYS_MS = 150;
// The page was hidden, or busy: no time of the recording passed.
const LONGEST_TICK_MS = 250;

export class Player {
  #recording;
  // The frames that are drawn from, the index of the next one, and whether the screen shows what came before it.
  #frames = [];
  #next = 0;
  #isDrawn = false;
  #drawnUs = 0;
  #drawing = new Drawing();
  // Raised with whatever makes older work pointless.
  #turn = 0;
  // The promise of a seek that is on its way: until then the frames are those of another moment than `atUs`.
  #going = null;
  #before = 0;
  // Where and when there was nothing more.
  #exhausted = "";
  #askedMs = 0;

  follower = new Follower();
  atUs = 0;
  shownFrom = 0;
  speed = 1;
  skipsPauses = true;
  playing = false;
  busy = false;
  skipped = null;

  constructor(terminal, { apply, reveal, changed, arrived, failed, caughtUp, fetch }) {
    Object.assign(this, { terminal, apply, reveal, changed, arrived, failed, caughtUp });
    this.#recording = new Recording(terminal, { fetch });
  }

  // What there is

  get map() {
    return this.#recording.map;
  }

  get endUs() {
    return this.map?.durationUs ?? 0;
  }

  get size() {
    return this.map?.size ?? 0;
  }

  get offset() {
    return this.follower.expected;
  }

  load() {
    return this.map ? Promise.resolve(this.map) : this.reload();
  }

  async reload() {
    const map = await this.#recording.reload();
    this.changed();
    return map;
  }

  learn(frame) {
    this.map?.learn(frame);
  }

  timeAt(offset) {
    return this.#recording.timeAt(offset);
  }

  offsetAt(us) {
    return this.#recording.offsetAt(us);
  }

  earlier(offset) {
    return this.#recording.earlier(offset);
  }

  // Going to a moment

  seek(us) {
    return this.#go({ us: Math.max(0, us) });
  }

  seekOffset(offset, aboutUs) {
    return this.#go({ offset: Math.max(0, offset), aboutUs });
  }

  nextWrite() {
    return this.#step(async (turn) => {
      while (await this.#have(turn)) {
        const frame = this.#frames[this.#next++];
        if (this.#draw([frame]) && (frame.type === "output" || frame.type === "resize")) return;
      }
    });
  }

  previousWrite() {
    return this.#goTo(async () => (await this.#recording.writeBefore(this.offset))?.offset ?? 0);
  }

  nextKeyframe() {
    return this.#goTo(({ keyframes }) => keyframes.find(({ offset }) => offset > this.offset)?.offset ?? this.size);
  }

  previousKeyframe() {
    return this.#goTo(({ keyframes }) => keyframes.findLast(({ offset }) => offset < this.offset)?.offset ?? 0);
  }

  async #goTo(find) {
    this.pause();
    if (!this.#isThere && !(await this.#settled())) return false;
    const turn = this.#turn;
    try {
      const offset = await find(await this.load());
      return turn === this.#turn && (await this.#go({ offset }));
    } catch (error) {
      return this.#fail(error, turn);
    }
  }

  #go(target) {
    const going = this.#travel(target).finally(() => {
      if (this.#going === going) this.#going = null;
    });
    return (this.#going = going);
  }

  async #travel(target) {
    const turn = this.#begin();
    this.atUs = target.us ?? target.aboutUs ?? this.atUs;
    this.changed();
    try {
      await this.#reach(target);
      if (turn !== this.#turn) return false;
      if (!this.#leadsTo(target)) await this.#beginNear(target, turn);
      if (turn !== this.#turn) return false;
      await this.#drawUntil(target, turn);
    } catch (error) {
      return this.#fail(error, turn);
    }
    if (turn !== this.#turn) return false;
    if (target.us === undefined) this.atUs = this.#drawnUs;
    return this.#arrive(turn);
  }

  /** Whether the screen shows the moment that it is to show, so that one can step from there. */
  get #isThere() {
    return this.#isDrawn && !this.#going;
  }

  /** Wait for the seek that is on its way, or show the present moment; false when something newer took over. */
  async #settled() {
    while (this.#going) if (!(await this.#going)) return false;
    return this.#isDrawn || this.seek(this.atUs);
  }

  /** Go on with the frames that are there, once the moment that was sought is. */
  async #step(work) {
    this.pause();
    if (!this.#isThere && !(await this.#settled())) return false;
    const turn = this.#begin();
    try {
      await work(turn);
    } catch (error) {
      return this.#fail(error, turn);
    }
    if (turn !== this.#turn) return false;
    this.atUs = Math.max(this.atUs, this.#drawnUs);
    return this.#arrive(turn);
  }

  #begin() {
    this.busy = true;
    this.skipped = null;
    return ++this.#turn;
  }

  async #arrive(turn) {
    if (!this.playing) this.reveal(this.#drawing.begin(0));
    await this.#drawing.done();
    if (turn !== this.#turn) return false;
    this.busy = false;
    this.arrived?.();
    if (this.playing) this.#start();
    setTimeout(() => turn === this.#turn && this.#prefetch(), this.playing ? 0 : STAYS_MS);
    this.changed();
    return true;
  }

  #fail(error, turn) {
    if (turn !== this.#turn) return false;
    this.stop();
    this.failed(error);
    this.changed();
    return false;
  }

  /** Know the recording as far as the target, as far as there is one. */
  async #reach({ us, offset }) {
    const map = await this.load();
    const isBeyond = us === undefined ? offset > map.size : us > map.durationUs;
    if (isBeyond && !map.ended) await this.reload();
  }

  /** Whether going on from what is drawn is as short a way as any. */
  #leadsTo(target) {
    if (!this.#isDrawn) return false;
    const isBehind = target.us === undefined ? target.offset < this.offset : target.us < this.#drawnUs;
    return !isBehind && this.map.startFor(target) <= this.offset + AHEAD_BYTES;
  }

  // Drawing

  /** An empty terminal, and a screen from which it is not far to the target. */
  async #beginNear(target, turn) {
    const { frames } = await this.#recording.only(target);
    if (turn !== this.#turn) return;
    const [keyframe] = frames;
    this.follower = new Follower(keyframe.offset);
    this.#frames = frames;
    this.#next = 1;
    this.#isDrawn = true;
    this.#exhausted = "";
    this.shownFrom = keyframe.offset;
    this.#drawing.forget();
    this.#drawing = new Drawing();
    this.#drawnUs = keyframe.timeUs;
    this.#draw([keyframe]);
  }

  async #drawUntil(target, turn) {
    while (await this.#have(turn)) {
      const { frames, next, isAll } = until(this.#frames, this.#next, target);
      this.#next = next;
      this.#draw(frames);
      if (!isAll) return;
      if (this.#drawing.bytes > MOST_UNDRAWN_BYTES) await this.#drawing.done();
    }
  }

  /** Whether there is another frame (and this turn is still the newest), after fetching it if need be. */
  async #have(turn) {
    while (turn === this.#turn && this.#next >= this.#frames.length) {
      const { size, ended, events } = this.map;
      const here = [this.offset, size, ended, events.length].join();
      // What happened at the very end is sent again each time.
      if (here === this.#exhausted) return false;
      const { frames } = await this.#recording.piece(this.offset);
      if (turn !== this.#turn) return false;
      this.#exhausted = here;
      this.#frames = frames;
      this.#next = 0;
      this.#prefetch();
    }
    return turn === this.#turn;
  }

  /** Draw what of the frames was not drawn yet; whether there was anything. */
  #draw(frames) {
    const fresh = [];
    for (const frame of frames) {
      const applied = this.follower.receive(frame);
      if (applied === HOLE) throw new Error(`the recording has a hole at ${this.offset}`);
      if (applied) fresh.push(applied);
    }
    for (const frame of joined(fresh)) {
      this.#drawnUs = Math.max(this.#drawnUs, frame.timeUs);
      this.learn(frame);
      this.apply(frame, this.#drawing.begin(frame.bytes?.length ?? 0));
    }
    return fresh.length > 0;
  }

  #prefetch() {
    this.#recording.prefetch(this.shownFrom, endOf(this.#frames) ?? this.offset);
  }

  // Playing

  play() {
    if (this.playing) return;
    this.playing = true;
    if (!this.#isDrawn) this.seek(this.atUs);
    else if (!this.busy) this.#start();
    this.changed();
  }

  pause() {
    if (this.playing) this.reveal(this.#drawing.begin(0));
    this.playing = false;
    this.skipped = null;
    this.changed();
  }

  stop() {
    this.#turn += 1;
    this.playing = this.busy = this.#isDrawn = false;
    this.skipped = null;
    this.#frames = [];
    this.#next = 0;
    this.#recording.drop();
    this.#drawing.forget();
  }

  #start() {
    this.#before = performance.now();
    this.#soon(this.#turn);
  }

  #soon(turn) {
    requestAnimationFrame(() => this.#tick(turn).catch((error) => this.#fail(error, turn)));
  }

  async #tick(turn) {
    if (!this.playing || turn !== this.#turn) return;
    const now = performance.now();
    // What the screen cannot keep up with, it is given time for.
    const isBehind = this.#drawing.bytes > MOST_UNDRAWN_BYTES;
    if (!isBehind) this.atUs += Math.min(now - this.#before, LONGEST_TICK_MS) * 1000 * this.speed;
    this.#before = now;
    const isMore = await this.#have(turn);
    if (!this.playing || turn !== this.#turn) return;
    if (isMore) this.#skipPause();
    await this.#drawUntil({ us: this.atUs }, turn);
    if (!this.playing || turn !== this.#turn) return;
    if (!isMore && (await this.#ends(turn))) return;
    this.changed();
    this.#soon(turn);
  }

  #skipPause() {
    const { timeUs } = this.#frames[this.#next];
    if (this.skipped && this.atUs >= this.skipped.toUs) this.skipped = null;
    if (!this.skipsPauses || timeUs - this.atUs <= Math.max(LONGEST_PAUSE_US, SHOWN_PAUSE_US * this.speed)) return;
    this.skipped = { fromUs: this.atUs, toUs: timeUs };
    this.atUs = timeUs - SHOWN_PAUSE_US * this.speed;
  }

  /** Nothing is left to be drawn: whether the playing is over, too. */
  async #ends(turn) {
    if (this.map.ended) return this.#finish();
    this.atUs = Math.min(this.atUs, this.endUs);
    if (performance.now() - this.#askedMs < ASK_AGAIN_MS) return false;
    this.#askedMs = performance.now();
    const { size } = await this.reload();
    if (turn !== this.#turn) return true;
    return Boolean(this.caughtUp) && size <= this.offset && this.#finish(this.caughtUp);
  }

  #finish(then) {
    this.atUs = this.endUs;
    this.playing = false;
    this.skipped = null;
    this.changed();
    then?.();
    return true;
  }
}
