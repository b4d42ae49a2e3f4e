// The bytes of a program are hostile: they may freeze the page, speak for the reader or lead somewhere else.

import { boundLinks } from "scrollback/terminal/links";
import { concatenated, StringCap } from "scrollback/terminal/string-cap";

// xterm.js parses what it is given in one write to its end, and lets the page live in between. A piece of this size takes a
// few milliseconds at worst in a window of so many cells; in a larger one each sequence may touch more of them.
const PIECE_BYTES = 4 * 1024;
const PIECE_CELLS = 10_000;
const SMALLEST_PIECE_BYTES = 64;
// xterm.js reads the whole cell again for each mark that is put on it: 30,000 on one cell took more than half a minute. No
// script puts so many on a letter.
const MOST_MARKS = 8;
// Rows that xterm.js lays out anew for a narrower window, which takes some seconds at most: of all lines, and of one of them. It
// passes those of one as arguments of one call, of which Chromium takes 120,000.
const MOST_REFLOWED_ROWS = 200_000;
const MOST_ROWS_OF_A_LINE = 50_000;
// Properties of a character that is one column wide and joins nothing, as xterm.js codes them.
const ALONE = 1 << 1;

// 11 bytes (CSI 10000000 S) keep xterm.js busy for half a minute, since it scrolls line by line. More lines than there
// are and more cells than a line has do what all of them do.
const LINE_COUNTS = { S: "scrollUp", T: "scrollDown", L: "insertLines", M: "deleteLines" };
const CELL_COUNTS = { Z: "cursorBackwardTab", I: "cursorForwardTab", "@": "insertChars", P: "deleteChars", X: "eraseChars" };
// The largest count of the server's engine, so that the cursor ends in the same column here.
const MOST_REPEATED = 65_535;
// A viewer has no mouse and no focus to tell of, and its mouse is there to select text.
const POINTER_MODES = new Set([9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016]);
// What sets colours and asks for them, several in one sequence.
const COLOURS = {
  4: "setOrReportIndexedColor",
  10: "setOrReportFgColor",
  11: "setOrReportBgColor",
  12: "setOrReportCursorColor",
};
const isOfPointer = (mode) => POINTER_MODES.has(mode);
const swallow = () => true;

/** Keep `terminal` (of xterm.js) from freezing, answering, renaming and linking without end. */
export function makeSafe(terminal) {
  const { parser } = terminal;
  const limit = (final, name, enough) =>
    parser.registerCsiHandler({ final }, ([count]) => count > enough(count) && act(terminal, name, enough(count)));
  for (const [final, name] of Object.entries(LINE_COUNTS)) {
    parser.registerCsiHandler({ final }, ([count]) => count > 1 && replaceLines(terminal, name, count));
  }
  for (const [final, name] of Object.entries(CELL_COUNTS)) limit(final, name, () => terminal.cols);
  limit("b", "repeatPrecedingCharacter", (count) => enoughRepeated(terminal, count));

  // Erasing up to the cursor in the last cell of all looks at a line that is not there; xterm.js throws, and never writes
  // again. From there it is the whole screen that is erased.
  for (const prefix of [undefined, "?"]) {
    parser.registerCsiHandler({ prefix, final: "J" }, ([what]) => what === 1 && isInLastCell(terminal) && erase(terminal));
  }

  // Questions to the terminal (device attributes, status, modes, settings, window, colours): the recorder's terminal
  // has answered them long ago, and a viewer never answers.
  for (const prefix of [undefined, ">", "="]) parser.registerCsiHandler({ prefix, final: "c" }, swallow);
  for (const prefix of [undefined, "?"]) {
    parser.registerCsiHandler({ prefix, final: "n" }, swallow);
    parser.registerCsiHandler({ prefix, intermediates: "$", final: "p" }, swallow);
  }
  parser.registerCsiHandler({ prefix: ">", final: "q" }, swallow);
  parser.registerCsiHandler({ final: "t" }, swallow);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  for (const [code, name] of Object.entries(COLOURS)) {
    parser.registerOscHandler(Number(code), (data) => data.includes("?") && call(terminal, name, withoutQuestions(data)));
  }
  // One sequence sets any number of modes: those of the pointer are taken out, the others are set. Sub-parameters, which
  // xterm.js passes over, come as arrays. Resetting any of them does no harm, as none is ever set.
  parser.registerCsiHandler({ prefix: "?", final: "h" }, (parameters) => {
    const modes = parameters.filter((value) => !Array.isArray(value));
    return modes.some(isOfPointer) && act(terminal, "setModePrivate", ...modes.filter((mode) => !isOfPointer(mode)));
  });

  // Titles, the clipboard, notifications.
  for (const code of [0, 1, 2, 9, 52, 777]) parser.registerOscHandler(code, swallow);

  writeInPieces(terminal);
  boundReflow(terminal);
  boundLinks(terminal);
}

/**
 * A narrower window has xterm.js lay out all lines anew, and one that becomes too many rows ends it in the middle: it never draws
 * again. Where that may be, what does not fit is cut off, as in a terminal that knows no wrapped lines.
 */
function boundReflow(terminal) {
  const resize = terminal.resize.bind(terminal);
  terminal.resize = (cols, rows) => {
    const times = terminal.cols / cols;
    const { length } = terminal.buffer.normal;
    const isBounded = length * times <= MOST_REFLOWED_ROWS && longestLine(terminal.buffer.normal) * times <= MOST_ROWS_OF_A_LINE;
    if (times <= 1 || isBounded) return resize(cols, rows);
    terminal.options.windowsPty = { backend: "winpty", buildNumber: 1 };
    try {
      resize(cols, rows);
    } finally {
      terminal.options.windowsPty = {};
    }
  };
}

/** Rows of the longest line that was wrapped. */
function longestLine(buffer) {
  let longest = 0;
  let rows = 0;
  for (let row = 0; row < buffer.length; row += 1) {
    rows = buffer.getLine(row).isWrapped ? rows + 1 : 1;
    longest = Math.max(longest, rows);
  }
  return longest;
}

function isInLastCell({ buffer: { active }, cols }) {
  return active.cursorX >= cols - 1 && active.cursorY + 1 >= active.length;
}

/**
 * Lines that are pushed out of the scroll region one by one, with a new one for each, cost as many steps as the window has
 * rows; in a large window a few kilobytes of that take a minute. Where none stays, all of them are emptied where they are.
 */
function replaceLines(terminal, name, count) {
  const { buffer, _inputHandler: handler } = terminal._core;
  const isFromCursor = name === "insertLines" || name === "deleteLines";
  const top = isFromCursor ? buffer.y : buffer.scrollTop;
  const height = buffer.scrollBottom - top + 1;
  if (count < height || top < buffer.scrollTop || height < 1) return false;
  // Scrolled in from above they have no background.
  const empty = name === "scrollDown" ? buffer.getNullCell() : buffer.getNullCell(handler._eraseAttrData());
  for (let row = buffer.ybase + top; row <= buffer.ybase + buffer.scrollBottom; row += 1) {
    const line = buffer.lines.get(row);
    line.fill(empty);
    line.isWrapped = false;
    buffer.clearMarkers(row);
  }
  return act(terminal, name, 1);
}

function erase(terminal) {
  return act(terminal, "eraseInDisplay", 2);
}

function act(terminal, name, ...parameters) {
  return call(terminal, name, { params: parameters, length: parameters.length });
}

function call(terminal, name, data) {
  // There is no public way to do this from within a handler; without this one the screen keeps what it shows.
  terminal._core._inputHandler?.[name](data);
  return true;
}

/** The same list of colours with nothing where one was asked for, which sets none. */
function withoutQuestions(data) {
  return data.split(";").map((slot) => (slot === "?" ? "" : slot)).join(";");
}

/** A screen full of one character stays one, row after row. */
function enoughRepeated({ cols, rows }, count) {
  const enough = (rows + 2) * cols;
  return count <= enough ? count : enough + ((Math.min(count, MOST_REPEATED) - enough) % cols);
}

/** Have `terminal` take the widths of characters from an addon for them, with no more marks on a cell than it can bear. */
export function loadWidths(terminal, addon) {
  addon.activate({
    unicode: {
      register(provider) {
        let marks = 0;
        terminal.unicode.register({
          version: provider.version,
          wcwidth: (code) => provider.wcwidth(code),
          charProperties(code, before) {
            const properties = provider.charProperties(code, before);
            marks = properties & 1 ? marks + 1 : 0;
            return marks > MOST_MARKS ? ALONE : properties;
          },
        });
        terminal.unicode.activeVersion = provider.version;
      },
    },
  });
}

/**
 * Have `terminal` stop for the page often enough, whatever is written, and keep no string that is longer than useful.
 *
 * A character is given to it whole: of one that comes in two parts, the second of its bytes being 0x80 as in dashes, quotes and
 * dots, xterm.js 6.0 loses the first.
 */
function writeInPieces(terminal) {
  const write = terminal.write.bind(terminal);
  const cap = new StringCap();
  const reset = terminal.reset.bind(terminal);
  let begun = new Uint8Array();
  terminal.reset = () => {
    cap.reset();
    begun = new Uint8Array();
    reset();
  };
  terminal.write = (data, done) => {
    if (typeof data === "string") return write(data, done);
    const kept = begun.length ? concatenated([begun, cap.keep(data)]) : cap.keep(data);
    const end = kept.length - unfinished(kept);
    const cells = terminal.cols * terminal.rows;
    const size = Math.max(SMALLEST_PIECE_BYTES, Math.floor(PIECE_BYTES * Math.min(1, PIECE_CELLS / cells)));
    let from = 0;
    while (end - from > size) {
      const to = from + size - unfinished(kept.subarray(from, from + size));
      write(kept.slice(from, to));
      from = to;
    }
    begun = kept.slice(end);
    write(kept.slice(from, end), done);
  };
}

/** How many bytes at the end are the beginning of a character (UTF-8) of which there is more to come. */
function unfinished(bytes) {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count];
    if (byte >= 0x80 && byte < 0xc0) continue;
    const length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > count ? count : 0;
  }
  return 0;
}
