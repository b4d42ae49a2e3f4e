// Finds a line of text on the screen of xterm.js and puts a mark on the part of it that was searched for.

/** The part of a hit {text, start, end} that matched; the server counts characters, not UTF-16 units. */
export function matched({ text, start, end }) {
  return [...text].slice(start, end).join("");
}

export class HitMark {
  #decorations = [];

  constructor(terminal) {
    this.terminal = terminal;
  }

  /** Mark `hit` where it stands nearest to the end, and scroll there; false when the screen does not have it. */
  show(hit) {
    this.clear();
    const found = this.#find(hit);
    if (!found) return false;
    for (const cells of found) this.#decorate(cells);
    const { viewportY } = this.terminal.buffer.active;
    const [{ y }] = found;
    if (y < viewportY || y >= viewportY + this.terminal.rows) this.terminal.scrollToLine(Math.max(0, y - (this.terminal.rows >> 1)));
    return true;
  }

  clear() {
    for (const decoration of this.#decorations.splice(0)) decoration.dispose();
  }

  /** Pieces {y, x, width} of the match, one for each row that it runs over. */
  #find(hit) {
    const whole = hit.text.trim();
    const part = matched(hit);
    const lead = [...hit.text].slice(0, hit.start).join("").trimStart();
    let partly = null;
    for (const line of linesFromEnd(this.terminal.buffer.active)) {
      const at = line.text.indexOf(whole);
      if (at >= 0) return piecesOf(line, at + lead.length, part.length);
      const only = line.text.indexOf(part);
      if (only >= 0) partly ??= piecesOf(line, only, part.length);
    }
    return partly;
  }

  #decorate({ y, x, width }) {
    const { baseY, cursorY } = this.terminal.buffer.active;
    const marker = this.terminal.registerMarker(y - baseY - cursorY);
    const decoration = marker && this.terminal.registerDecoration({ marker, x, width });
    if (!decoration) return;
    const isOnAlternate = this.terminal.buffer.active.type === "alternate";
    decoration.onRender((element) => {
      if (isOnAlternate) this.#uncover(element, marker.line, width);
      if (element.classList.contains("terminal__hit")) return;
      element.classList.add("terminal__hit");
      // Letters that are large enough to read may not all fit.
      element.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    decoration.onDispose(() => marker.dispose());
    this.#decorations.push(decoration);
  }

  /** xterm.js hides every decoration while the alternate screen is up, and no longer measures it then. */
  #uncover(element, row, width) {
    const { cols, rows } = this.terminal;
    const { clientWidth, clientHeight } = element.closest(".xterm-screen");
    const height = clientHeight / rows;
    Object.assign(element.style, {
      display: "block",
      width: `${Math.round((width * clientWidth) / cols)}px`,
      height: `${height}px`,
      top: `${row * height}px`,
    });
  }
}

/** Lines as they were written, wrapped rows joined: their text, and row and column of each UTF-16 unit of it. */
function* linesFromEnd(buffer) {
  for (let y = buffer.length - 1; y >= 0; y--) {
    let first = y;
    while (first > 0 && buffer.getLine(first).isWrapped) first -= 1;
    yield lineOf(buffer, first, y);
    y = first;
  }
}

function lineOf(buffer, first, last) {
  let text = "";
  const cells = [];
  for (let y = first; y <= last; y++) {
    const row = buffer.getLine(y);
    for (let x = 0; x < row.length; x++) {
      const cell = row.getCell(x);
      const width = cell.getWidth();
      if (!width) continue;
      const chars = cell.getChars() || " ";
      for (let unit = 0; unit < chars.length; unit++) cells.push({ y, x, width });
      text += chars;
    }
  }
  return { text, cells };
}

function piecesOf({ cells }, from, length) {
  const pieces = [];
  for (const { y, x, width } of cells.slice(from, from + Math.max(1, length))) {
    const last = pieces.at(-1);
    if (last?.y === y) last.width = x + width - last.x;
    else pieces.push({ y, x, width });
  }
  return pieces.length ? pieces : null;
}
