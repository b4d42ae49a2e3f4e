// Frames of the live protocol, as sessions_app/terminal/wire.py writes them:
// type u8 | offset u64 | time_us u64 | payload, big-endian. Offsets and times stay below 2^53, so they are numbers here.

const HEAD_BYTES = 17;
const NAMES = [, "output", "resize", "marker", "exit", "keyframe", "gap", "end", "info"];
const text = new TextDecoder();

/** The frame in an ArrayBuffer or a part of one, e.g. {type: "output", offset, timeUs, bytes}. */
export function decodeFrame(buffer, start = 0, length = buffer.byteLength - start) {
  const view = new DataView(buffer, start, length);
  const type = NAMES[view.getUint8(0)];
  if (!type) throw new Error(`unknown frame ${view.getUint8(0)}`);
  const frame = { type, offset: Number(view.getBigUint64(1)), timeUs: Number(view.getBigUint64(9)) };
  const payload = new Uint8Array(buffer, start + HEAD_BYTES, length - HEAD_BYTES);
  const at = HEAD_BYTES;
  if (type === "output") frame.bytes = payload;
  else if (type === "resize" || type === "keyframe") {
    frame.cols = view.getUint16(at);
    frame.rows = view.getUint16(at + 2);
    if (type === "keyframe") frame.bytes = payload.subarray(4);
  } else if (type === "marker") frame.label = text.decode(payload);
  else if (type === "exit") frame.status = payload.length ? view.getInt32(at) : null;
  else if (type === "gap") frame.to = Number(view.getBigUint64(at));
  else if (type === "info") Object.assign(frame, { members: JSON.parse(text.decode(payload)) });
  return frame;
}

/** The frames of an answer of /terminals/<id>/frames: each stands behind its length. */
export function decodeFrames(buffer) {
  const view = new DataView(buffer);
  const frames = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = view.getUint32(at);
    frames.push(decodeFrame(buffer, at + 4, length));
    at += 4 + length;
  }
  return frames;
}

/** The offset behind the last output among the frames; undefined where there is none. */
export function endOf(frames) {
  const last = frames.findLast(({ type }) => type === "output");
  return last && last.offset + last.bytes.length;
}

/**
 * Those of the frames from index `start` on that belong to a moment {us}, or to the first {offset} bytes, of which the last
 * may be a part of a frame; `next` is the index to go on from, `isAll` whether all did. A keyframe is no part of the recording:
 * it may bear the time of the last of several writes that came together, and ends nothing.
 */
export function until(frames, start, { us, offset }) {
  const taken = [];
  let next = start;
  for (; next < frames.length; next++) {
    const frame = frames[next];
    const isOutput = frame.type === "output";
    const isLater = frame.type !== "keyframe" && frame.timeUs > us;
    if (us !== undefined ? isLater : frame.offset > offset || (isOutput && frame.offset === offset)) break;
    if (us === undefined && isOutput && frame.offset + frame.bytes.length > offset) {
      taken.push({ ...frame, bytes: frame.bytes.subarray(0, offset - frame.offset) });
      break;
    }
    taken.push(frame);
  }
  return { frames: taken, next, isAll: next === frames.length };
}

/** The same frames with consecutive output in one, at the time of its last byte: xterm.js draws few large pieces fastest. */
export function joined(frames) {
  const result = [];
  let run = [];
  const flush = () => {
    if (run.length) result.push(run.length === 1 ? run[0] : { ...run[0], timeUs: run.at(-1).timeUs, bytes: concatenated(run) });
    run = [];
  };
  for (const frame of frames) {
    if (frame.type === "output") run.push(frame);
    else {
      flush();
      result.push(frame);
    }
  }
  flush();
  return result;
}

function concatenated(frames) {
  const bytes = new Uint8Array(frames.reduce((size, frame) => size + frame.bytes.length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame.bytes, at);
    at += frame.bytes.length;
  }
  return bytes;
}
