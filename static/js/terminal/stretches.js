// The frames of a recording by the offset they begin at: fetched once, kept up to a number of bytes, dropped on the way when
// nobody wants them any more.

import { succeeded } from "scrollback/terminal/answers";
import { decodeFrames, endOf } from "scrollback/terminal/frames";

const MOST_KEPT_BYTES = 32 * 1024 * 1024;

export class Stretches {
  // Addresses, the least recently used first.
  #kept = new Map();
  #keptBytes = 0;
  // Address → {promise, controller}.
  #coming = new Map();

  constructor(terminal, { fetch = (...request) => globalThis.fetch(...request), most = MOST_KEPT_BYTES } = {}) {
    Object.assign(this, { terminal, fetch, most });
  }

  /**
   * {from, end, frames, isFinal}: a keyframe and what was written from there on, up to byte `end`. `version` is the map's.
   * With `isKeyframe` false there is none at this offset, and the frames just go on from it. One that `stays` is not dropped.
   */
  get(offset, { version, isHeavy = false, isKeyframe = true, stays = false }) {
    const heavy = isHeavy ? "&heavy=1" : "";
    const address = isKeyframe ? `stretch?from=${offset}${heavy}&v=${version}` : `frames?from=${offset}`;
    return this.#ask(address, { offset, stays });
  }

  /** The same from the screen of a moment {us} on, or from that behind the first {offset} bytes, which is drawn by the server. */
  drawn({ us, offset }, { version }) {
    const target = us === undefined ? `to=${offset}` : `us=${Math.floor(us)}`;
    return this.#ask(`stretch?${target}&v=${version}`, { offset: offset ?? 0 });
  }

  #ask(address, { offset, stays = false }) {
    const kept = this.#kept.get(address);
    if (kept) {
      this.#kept.delete(address);
      this.#kept.set(address, kept);
      return Promise.resolve(kept);
    }
    const coming = this.#coming.get(address) ?? this.#fetch(address, offset);
    coming.stays ||= stays;
    return coming.promise;
  }

  /** Ask for a stretch that may be wanted soon; nobody waits for it, so nobody hears when it fails. */
  prefetch(offset, options) {
    this.get(offset, options).catch(() => null);
  }

  /** Nobody waits any more for what is on its way, but for this promise. */
  drop(wanted = null) {
    for (const [address, { controller, stays, promise }] of this.#coming) {
      if (stays || promise === wanted) continue;
      controller.abort();
      this.#coming.delete(address);
    }
  }

  /** Forget what is kept. What is on its way is waited for, and was asked for by its own version. */
  clear() {
    this.#kept.clear();
    this.#keptBytes = 0;
  }

  #fetch(address, offset) {
    const controller = new AbortController();
    const coming = { controller, stays: false, promise: this.#read(address, offset, controller.signal) };
    this.#coming.set(address, coming);
    const done = () => this.#coming.get(address) === coming && this.#coming.delete(address);
    coming.promise.then(done, done);
    return coming;
  }

  async #read(address, offset, signal) {
    const response = await succeeded(await this.fetch(`/terminals/${this.terminal}/${address}`, { signal }));
    const isFinal = response.headers.get("Cache-Control")?.includes("immutable") ?? false;
    const buffer = await response.arrayBuffer();
    const frames = decodeFrames(buffer);
    const from = frames[0]?.offset ?? offset;
    const stretch = { from, end: endOf(frames) ?? from, frames, isFinal };
    // What may still grow is asked for again.
    if (isFinal) this.#keep(address, stretch, buffer.byteLength);
    return stretch;
  }

  #keep(address, stretch, bytes) {
    this.#kept.set(address, { ...stretch, bytes });
    this.#keptBytes += bytes;
    for (const [oldest, { bytes: freed }] of this.#kept) {
      if (this.#keptBytes <= this.most || oldest === address) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= freed;
    }
  }
}
