// The screen as plain text: for screen readers, for fingers that select, for the clipboard. It is made when it is asked for
// and when the player comes to rest, never while output runs; xterm.js's own mode for screen readers speaks without end.

const REST_MS = 500;

/** What is to be seen now, wherever one has scrolled to, line by line, without spaces at the ends and empty lines below. */
export function visibleText(terminal) {
  return linesOf(terminal.buffer.active, terminal.buffer.active.viewportY, terminal.rows);
}

function linesOf(buffer, from, count) {
  const lines = [];
  for (let y = from; y < Math.min(from + count, buffer.length); y++) {
    const line = buffer.getLine(y);
    const text = line.translateToString(true);
    if (line.isWrapped && lines.length) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  return lines.join("\n").trimEnd();
}

export class ScreenText {
  #timer = 0;

  /** `region` holds the text, `status` says in few words that there is a new one; `inFront()` is the terminal that is seen. */
  constructor(region, status, inFront, signal) {
    Object.assign(this, { region, status, inFront });
    this.output = region.querySelector("[data-text-output]");
    region.addEventListener("focus", () => this.refresh());
    region.querySelector("[data-text-refresh]").addEventListener("click", () => this.refresh());
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  get open() {
    return this.region.hasAttribute("data-open");
  }

  toggle(open = !this.open) {
    this.region.toggleAttribute("data-open", open);
    if (open) this.refresh();
    if (open) this.region.focus();
  }

  /** Called whenever something moved; `words` say which moment it is. */
  moved(resting, words) {
    clearTimeout(this.#timer);
    if (!resting && this.status.textContent) this.status.textContent = "";
    if (resting) this.#timer = setTimeout(() => this.#announce(words), REST_MS);
  }

  refresh() {
    const text = visibleText(this.inFront()) || "The screen is empty.";
    // What one has selected, and where one reads, stays as long as the text does.
    if (text !== this.output.textContent) this.output.textContent = text;
  }

  #announce(words) {
    this.refresh();
    const last = this.output.textContent.split("\n").findLast((line) => line.trim());
    const said = `${words}. Last line: ${last.trim().slice(0, 200)}`;
    // What is said again is read out again.
    if (said !== this.status.textContent) this.status.textContent = said;
  }
}
