// The judge: xterm.js without a window, of the browser's version and with its widths. It answers each line of JSON
// on its input, {cols, rows, steps}, with one of the states asked for. A step is ["o", base64], ["r", cols, rows] or
// ["s", scrollback] for the state there.

const { createInterface } = require("node:readline");
const { join } = require("node:path");

const modules = join(__dirname, "../../../../frontend/node_modules/@xterm");
const { Terminal } = require(join(modules, "headless"));
const { Unicode11Addon } = require(join(modules, "addon-unicode11"));

function fresh(cols, rows) {
  const terminal = new Terminal({ cols, rows, allowProposedApi: true, scrollback: 10_000, logLevel: "off" });
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  return terminal;
}

function linesOf(buffer, cols, first, end) {
  const lines = [];
  for (let row = first; row < end; row++) lines.push(buffer.lines.get(row)?.translateToString(true, 0, cols).trimEnd() ?? "");
  return lines;
}

function wrapsOf(buffer, first, end) {
  const wraps = [];
  for (let row = first; row < end; row++) wraps.push(Boolean(buffer.lines.get(row)?.isWrapped));
  return wraps;
}

// The sixteen colours by either of their two ways to be asked for look alike, and bits of an older colour mean nothing.
function colour(value) {
  const kind = value & 0x3000000;
  if (kind === 0x1000000) return (value & ~0x3ffff00) | 0x2000000;
  return kind === 0x2000000 ? value & ~0xffff00 : kind ? value : value & ~0xffffff;
}

const EXTENDED = 0x10000000;
const INVERSE = 0x4000000;

function penOf(attributes) {
  return [colour(attributes.fg), colour(attributes.bg) & ~EXTENDED, Boolean(attributes.extended?.urlId)];
}

// Colours and flags of the cells, as runs. The alternate screen keeps those that a narrower window hides. A blank shows its background, and its other colours to nobody.
function stylesOf(buffer, cols, first, end) {
  const rows = [];
  for (let row = first; row < end; row++) {
    const line = buffer.lines.get(row);
    const runs = [];
    for (let column = 0; line && column < Math.min(line.length, cols); column++) {
      const isBlank = !line.getString(column).trim() && line.getWidth(column);
      const foreground = colour(line.getFg(column));
      const background = colour(line.getBg(column)) & ~EXTENDED;
      const pen = isBlank && !(foreground & INVERSE) ? `${background & 0x3ffffff}` : `${background}/${foreground}`;
      if (runs.length && runs.at(-1)[0] === pen) runs.at(-1)[1]++;
      else runs.push([pen, 1]);
    }
    rows.push(runs.map(([pen, count]) => `${pen}x${count}`).join(" "));
  }
  return rows;
}

// In each row, the columns in which characters begin that take two.
function widesOf(buffer, cols, first, end) {
  const rows = [];
  for (let row = first; row < end; row++) {
    const line = buffer.lines.get(row);
    const wides = [];
    for (let column = 0; line && column < Math.min(line.length, cols); column++) {
      if (line.getWidth(column) === 2) wides.push(column);
    }
    rows.push(wides);
  }
  return rows;
}

// How many rows were above each screen when its cursor was saved. xterm.js lets it move with those pushed up since.
const aboveSaved = new WeakMap();
const savedRows = new WeakMap();
Object.defineProperty(Object.getPrototypeOf(fresh(2, 2)._core.buffer), "savedY", {
  get() {
    return savedRows.get(this);
  },
  set(row) {
    savedRows.set(this, row);
    aboveSaved.set(this, this.ybase ?? 0);
  },
});

function bufferState(buffer, cols, rows, scrollback) {
  const first = Math.max(0, buffer.ybase - scrollback);
  const savedRow = Math.max(0, buffer.savedY - aboveSaved.get(buffer));
  return {
    above: linesOf(buffer, cols, first, buffer.ybase),
    rows: linesOf(buffer, cols, buffer.ybase, buffer.ybase + rows),
    wraps: buffer.hasScrollback ? wrapsOf(buffer, buffer.ybase, buffer.ybase + rows) : [],
    styles: stylesOf(buffer, cols, buffer.ybase, buffer.ybase + rows),
    wides: widesOf(buffer, cols, buffer.ybase, buffer.ybase + rows),
    // Where the cursor was saved; behind the last column it is never put back.
    saved: [Math.min(buffer.savedX, cols - 1), savedRow, ...penOf(buffer.savedCurAttrData)],
    saved_behind: buffer.savedX >= cols,
    saved_moved: savedRow !== Math.max(0, buffer.savedY - buffer.ybase),
    tabs: Object.keys(buffer.tabs).map(Number).filter((column) => column && column < cols - 1),
  };
}

function stateOf(terminal, scrollback) {
  const core = terminal._core;
  const buffer = core.buffer;
  const input = core._inputHandler;
  const charsets = core._charsetService;
  const { synchronizedOutputMode, ...modes } = terminal.modes;
  void synchronizedOutputMode;
  const isAlternate = terminal.buffer.active.type === "alternate";
  return {
    cols: terminal.cols,
    is_alternate: isAlternate,
    ...bufferState(buffer, terminal.cols, terminal.rows, scrollback),
    cursor: [buffer.x, buffer.y],
    visible: !core.coreService.isCursorHidden,
    region: [buffer.scrollTop, buffer.scrollBottom],
    modes,
    pen: penOf(input._curAttrData),
    charset: [charsets.glevel, Boolean(charsets.charset)],
    below: isAlternate ? bufferState(core.buffers.normal, terminal.cols, terminal.rows, scrollback) : null,
  };
}

function judge({ cols, rows, steps }) {
  const terminal = fresh(cols, rows);
  const states = [];
  for (const [kind, first, second] of steps) {
    if (kind === "o") {
      try {
        terminal._core.writeSync(Buffer.from(first, "base64"));
      } catch (error) {
        // What would leave a browser's terminal standing is an answer too.
        return { error: String(error.stack).slice(-2000) };
      }
    } else if (kind === "r") terminal.resize(first, second);
    else states.push(stateOf(terminal, first));
  }
  terminal.dispose();
  return states;
}

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(`${JSON.stringify(judge(JSON.parse(line)))}\n`);
});
