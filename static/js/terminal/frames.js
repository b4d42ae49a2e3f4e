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
