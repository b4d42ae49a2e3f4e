// A recording as a player reads it: its map, and stretches of frames, which are fetched once and shared.

import { succeeded } from "scrollback/terminal/answers";
import { Follower, HOLE } from "scrollback/terminal/follower";
import { endOf, joined, until } from "scrollback/terminal/frames";
import { RecordingMap } from "scrollback/terminal/recording-map";
import { Stretches } from "scrollback/terminal/stretches";

// Drawing so much takes the browser no time.
const NEAR_BYTES = 32 * 1024;
// How much one look at what came before shows, at least and at most.
const EARLIER_BYTES = 512 * 1024;
const MOST_EARLIER_BYTES = 1024 * 1024;
const LEAST_EARLIER_BYTES = 64 * 1024;

export class Recording {
  #loading = null;

  map = null;

  constructor(terminal, { fetch = (...request) => globalThis.fetch(...request) } = {}) {
    Object.assign(this, { terminal, fetch });
    this.stretches = new Stretches(terminal, { fetch });
  }

  load() {
    return this.map ? Promise.resolve(this.map) : this.reload();
  }

  /** What is new, too. One question at a time: who asks meanwhile gets the same answer. */
  reload() {
    this.#loading ??= this.#ask(this.map?.after ?? 0).finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #ask(after) {
    const answer = await this.#answer(after);
    const map = this.map ?? new RecordingMap();
    if (!map.take(answer, after)) {
      // Another engine has made other screens. Who plays goes by the map of those before until all of this one is here.
      map.take(await this.#answer(0), 0);
      this.stretches.clear();
    }
    this.map = map;
    return map;
  }

  async #answer(after) {
    const response = await succeeded(await this.fetch(`/terminals/${this.terminal}/map${after ? `?after=${after}` : ""}`));
    return response.json();
  }

  /**
   * A stretch to begin with for a moment {us} or a number of bytes {offset}, and of all that is on its way no other: from the
   * kept screen before it where that is near, else from its own, which costs the server less than the browser the way to it.
   */
  only(target) {
    const start = this.map.startFor(target);
    const isNear = this.map.bytesFrom(start, target) <= NEAR_BYTES;
    const wanted = isNear ? this.stretches.get(start, this.#version) : this.stretches.drawn(target, this.#version);
    this.stretches.drop(wanted);
    return wanted;
  }

  /** What follows byte `offset`, from a screen on where there is one. */
  piece(offset, { stays = false } = {}) {
    return this.stretches.get(offset, { ...this.#version, isKeyframe: this.map.has(offset), stays });
  }

  /** The neighbours of a stretch, where they begin with a screen. */
  prefetch(from, end) {
    const previous = from ? this.map.keyframeAt(from - 1).offset : end;
    for (const offset of new Set([end, previous])) {
      if (this.map.has(offset)) this.stretches.prefetch(offset, this.#version);
    }
  }

  drop() {
    this.stretches.drop();
  }

  get #version() {
    return { version: this.map.version };
  }

  /** The stretches from one that begins with a screen up to byte `offset`. */
  async #pieces(start, offset, isHeavy = false) {
    const pieces = [await this.stretches.get(start, { ...this.#version, isHeavy, stays: true })];
    while (pieces.at(-1).end < offset) {
      const from = pieces.at(-1).end;
      pieces.push(await this.piece(from, { stays: true }));
      if (pieces.at(-1).end <= from) break;
    }
    return pieces;
  }

  /** The last frame of output that begins before byte `offset`. */
  async writeBefore(offset) {
    const map = await this.load();
    if (offset <= 0) return null;
    const pieces = await this.#pieces(map.startFor({ offset: offset - 1 }), offset);
    const isBefore = (frame) => frame.type === "output" && frame.offset < offset;
    return pieces.map(({ frames }) => frames.findLast(isBefore)).findLast((frame) => frame) ?? null;
  }

  async timeAt(offset) {
    return (await this.writeBefore(offset))?.timeUs ?? 0;
  }

  async offsetAt(us) {
    const map = await this.load();
    let piece = await this.stretches.get(map.startFor({ us }), { ...this.#version, stays: true });
    let reached = piece.from;
    for (;;) {
      const { frames, isAll } = until(piece.frames, 0, { us });
      reached = endOf(frames) ?? reached;
      if (!isAll || piece.end >= map.size) return reached;
      const before = piece.end;
      piece = await this.piece(before, { stays: true });
      if (piece.end <= before) return reached;
    }
  }

  async earlier(offset) {
    const map = await this.load();
    if (offset <= 0) return null;
    const heavy = map.keyframes.findLast(({ offset: at, isHeavy }) => isHeavy && at <= offset - LEAST_EARLIER_BYTES);
    const isHeavy = heavy !== undefined && heavy.offset >= offset - MOST_EARLIER_BYTES;
    const start = isHeavy ? heavy.offset : map.startFor({ offset: Math.max(0, offset - EARLIER_BYTES) });
    const pieces = await this.#pieces(start, offset, isHeavy);
    const follower = new Follower(pieces[0].from);
    const { frames } = until(pieces.flatMap((piece) => piece.frames), 0, { offset });
    const shown = frames.map((frame) => follower.receive(frame)).filter((frame) => frame && frame !== HOLE);
    return { from: pieces[0].from, to: follower.expected, frames: joined(shown) };
  }
}
