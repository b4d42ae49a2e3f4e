// The viewer's rule, as in sessions_app/terminal/follower.py: take only the offset that is expected, cut what was
// seen, ask again when bytes are missing. Neither a hole nor a duplicate can then be shown.

export const HOLE = Symbol("hole");

export class Follower {
  #eventsHere = new Set();
  #announced = null;
  #nothingDrawn = true;

  constructor(expected = 0) {
    this.expected = expected;
    this.ended = false;
  }

  /** A new connection was asked for everything from `expected` on. */
  reconnected() {
    this.#announced = null;
  }

  /** What is to be applied: the frame, its unseen part, null for what was seen, or HOLE. */
  receive(frame) {
    if (frame.type === "info") return frame;
    if (frame.type !== "keyframe" && frame.offset > this.expected) return HOLE;
    const applied = this.#place(frame);
    if (applied) this.#nothingDrawn = false;
    return applied;
  }

  #place(frame) {
    if (frame.type === "keyframe") return this.#keyframe(frame);
    if (frame.type === "output") return this.#output(frame);
    if (frame.type === "gap") return this.#gap(frame);
    return this.#event(frame);
  }

  #keyframe(frame) {
    const fits = this.#nothingDrawn && frame.offset >= this.expected;
    if (!fits && frame.offset !== this.#announced) return null;
    this.#announced = null;
    this.#move(frame.offset);
    return frame;
  }

  #output(frame) {
    const bytes = frame.bytes.subarray(this.expected - frame.offset);
    if (!bytes.length) return null;
    const applied = { ...frame, offset: this.expected, bytes };
    this.#move(this.expected + bytes.length);
    return applied;
  }

  #gap(frame) {
    if (frame.to <= this.expected) return null;
    this.#announced = frame.to;
    return { ...frame, offset: this.expected };
  }

  #event(frame) {
    const key = JSON.stringify(frame);
    if (frame.offset < this.expected || this.#eventsHere.has(key)) return null;
    this.#eventsHere.add(key);
    this.ended ||= frame.type === "end";
    return frame;
  }

  #move(expected) {
    this.expected = expected;
    this.#eventsHere.clear();
  }
}
