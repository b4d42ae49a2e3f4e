// What a recording has where: the answer of /terminals/<id>/map, and what is added to it while the recording goes on.

// Screens are made a little after the bytes; what is older than this has the one it will ever have.
const SETTLED_BYTES = 8 * 1024 * 1024;
// Without a screen nearer than this the server is asked to find a place to begin.
const REACH_BYTES = 2 * 1024 * 1024;
// As near to the first byte, all is drawn from there: a kept screen would cost the lines above it, or offer lines that never were.
const WHOLE_BYTES = 64 * 1024;

// As finely the server says what was written when.
const ENTRY_US = 50_000;

export class RecordingMap {
  version = "";
  size = 0;
  durationUs = 0;
  ended = false;
  /** {offset, atUs, isHeavy}, {kind, offset, atUs, text}, {atUs, untilUs, offset, bytes}: all ascending. */
  keyframes = [];
  events = [];
  activity = [];
  // How far the last answer reached: of what was received since only the end is known.
  #answered = 0;

  /** Take the answer to `after`; false when all that was known is of another version and must be asked for again. */
  take(answer, after) {
    if (after && answer.version !== this.version) return false;
    this.version = answer.version;
    this.#answered = answer.size;
    this.size = Math.max(this.size, answer.size);
    this.durationUs = Math.max(this.durationUs, answer.duration_us);
    this.ended = answer.ended;
    const before = ({ offset }) => offset < after;
    const keyframes = answer.keyframes.map(([offset, atUs, isHeavy]) => ({ offset, atUs, isHeavy }));
    this.keyframes = [...this.keyframes.filter(before), ...keyframes];
    const events = answer.events.map(([kind, offset, atUs, text]) => ({ kind, offset, atUs, text }));
    this.events = [...this.events.filter(before), ...events];
    this.#takeActivity(answer);
    return true;
  }

  #takeActivity({ activity, activity_from: from }) {
    const kept = this.activity.filter(({ offset }) => offset < from);
    const last = kept.at(-1);
    if (last && last.offset + last.bytes > from) {
      const untilUs = Math.min(last.untilUs, activity[0]?.[0] ?? last.untilUs);
      kept[kept.length - 1] = { ...last, untilUs, bytes: from - last.offset };
    }
    let offset = from;
    for (const [atUs, bytes, untilUs] of activity) {
      kept.push({ atUs, untilUs, offset, bytes });
      offset += bytes;
    }
    this.activity = kept;
  }

  /** A frame of the live connection or of a stretch: the recording reaches so far. */
  learn(frame) {
    if (frame.type === "output") this.#learnOutput(frame);
    this.size = Math.max(this.size, frame.offset);
    this.durationUs = Math.max(this.durationUs, frame.timeUs);
    this.ended ||= frame.type === "end";
  }

  /** Until the map is asked for again. A frame says when its last byte was written: what was before that is not known as a pause. */
  #learnOutput({ offset, timeUs, bytes }) {
    const end = offset + bytes.length;
    this.size = Math.max(this.size, end);
    const last = this.activity.at(-1) ?? { atUs: timeUs, untilUs: timeUs, offset: 0, bytes: 0 };
    const known = last.offset + last.bytes;
    if (end <= known) return;
    const untilUs = Math.max(last.untilUs, timeUs);
    if (known && timeUs - last.atUs >= ENTRY_US) {
      this.activity.push({ atUs: last.untilUs, untilUs, offset: known, bytes: end - known });
    } else {
      this.activity.splice(-1, 1, { ...last, untilUs, bytes: end - last.offset });
    }
  }

  /** From where on to ask for what is new. */
  get after() {
    return Math.max(0, Math.min(this.keyframes.at(-1)?.offset ?? 0, this.#answered), this.#answered - SETTLED_BYTES);
  }

  has(offset) {
    return this.keyframes[lastBefore(this.keyframes, "offset", offset)]?.offset === offset;
  }

  /** The last keyframe at or before these bytes. */
  keyframeAt(offset) {
    return this.keyframes[Math.max(0, lastBefore(this.keyframes, "offset", offset))];
  }

  /** Where to begin for a moment {us} or a number of bytes {offset}: a keyframe's offset, or any where none is near. */
  startFor({ us, offset }) {
    const key = us === undefined ? "offset" : "atUs";
    const target = us ?? offset;
    const nearest = this.keyframes[Math.max(0, lastBefore(this.keyframes, key, target))];
    const keyframe = nearest.offset > WHOLE_BYTES ? nearest : this.keyframes[0];
    const bytes = offset ?? this.activity[lastBefore(this.activity, "atUs", us)]?.offset ?? 0;
    return bytes - keyframe.offset > REACH_BYTES ? bytes : keyframe.offset;
  }

  /** How many bytes there are from `start` on to a moment {us} or to the first {offset} bytes, at most; none where all is drawn. */
  bytesFrom(start, { us, offset }) {
    const reached = offset ?? this.activity[lastBefore(this.activity, "atUs", us) + 1]?.offset ?? this.size;
    return reached <= WHOLE_BYTES ? 0 : reached - start;
  }
}

/** The index of the last item whose `key` is not beyond `target`; -1 where there is none. */
function lastBefore(items, key, target) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle][key] <= target) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
