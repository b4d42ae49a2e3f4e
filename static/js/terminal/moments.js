// Moments of a recording as people write and read them.

import { clockText } from "scrollback/elements/time-scrubber";

const CLOCK = /^(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,6})(?:[.,](\d{1,6}))?$/;

/** `1:23:45.5`, `12:31`, `90` (seconds), `+30` and `-1:30` from `atUs`, `50%` of `endUs`; microseconds, or null. */
export function readMoment(text, atUs, endUs) {
  const written = text.trim().replace("−", "-");
  const share = /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(written);
  if (share) return within((Number(share[1]) / 100) * endUs, endUs);
  const sign = /^[+-]/.exec(written)?.[0];
  const found = CLOCK.exec(sign ? written.slice(1).trim() : written);
  if (!found) return null;
  const [, hours = 0, minutes = 0, seconds, fraction = ""] = found;
  const us = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1e6 + Number(fraction.padEnd(6, "0"));
  return within(sign === "+" ? atUs + us : sign === "-" ? atUs - us : us, endUs);
}

/** `0:07`, `12:31`, `1:02:03`: as short as it can be read. */
export function shortClock(us) {
  return clockText(us / 1000).replace(/^00:0?(?=\d)/, "").replace(/^0(?=\d:)/, "");
}

/** `00:12:31.250`, or with six digits where three would name a moment before this one: as links say it. */
export function exactClock(us) {
  const whole = Math.floor(us);
  const fraction = String(whole % 1e6).padStart(6, "0").replace(/000$/, "");
  return `${clockText(whole / 1000)}.${fraction}`;
}

/** `4 s`, `3 min 20 s`, `2 h 05 min`: a length in words. */
export function lengthText(us) {
  const seconds = Math.round(us / 1e6);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function within(us, endUs) {
  return Math.min(Math.max(us, 0), endUs);
}
