// How wide the browser draws a letter. xterm.js measures each one that it meets, which has the page laid out each time, and forgets
// them all when the letters change their size: in a recording whose window changes, most of a seek was spent on that.

const MOST_FONTS = 16;
const MOST_LETTERS = 400;
const REPEATED = 32;
const NOT_MEASURED = -9999;
const PRINTABLE = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0x20 + index));

/**
 * Have `terminal` (of xterm.js, opened) keep the widths of each size of letters, and measure all letters that it met so far at
 * once when there is a new one.
 */
export function keepWidths(terminal, { signal }) {
  const core = terminal._core;
  const widths = new LetterWidths(core._renderService._renderer.value._widthCache, core._charSizeService);
  // Until a font is there another one is measured in its place.
  document.fonts.addEventListener("loadingdone", () => widths.forget() || terminal.refresh(0, terminal.rows - 1), { signal });
}

class LetterWidths {
  // Font → what is known of it, the least recently used first.
  #fonts = new Map();
  // Text and variant (1: bold, 2: italic) of all that was measured, the longest ago first.
  #letters = new Map(PRINTABLE.map((text) => [`${text}0`, [text, 0]]));
  #known = null;

  constructor(cache, charSize) {
    Object.assign(this, { cache, charSize });
    const measure = cache._measure.bind(cache);
    cache._measure = (text, variant) => this.#measured(text, variant) ?? measure(text, variant);
    cache.clear = () => this.#choose();
    this.#choose();
  }

  forget() {
    this.#fonts.clear();
    this.#choose();
  }

  get #font() {
    const { cache, charSize } = this;
    const { _font: family, _fontSize: size, _weight: weight, _weightBold: bold } = cache;
    return [family, size, weight, bold, devicePixelRatio, charSize.width, charSize.height].join();
  }

  /** Give xterm.js what is known of the letters as they are now. */
  #choose() {
    const font = this.#font;
    this.#known = this.#fonts.get(font) ?? { flat: new Float32Array(256).fill(NOT_MEASURED), holey: new Map(), isNew: true };
    this.#fonts.delete(font);
    this.#fonts.set(font, this.#known);
    if (this.#fonts.size > MOST_FONTS) this.#fonts.delete(this.#fonts.keys().next().value);
    this.cache._flat = this.#known.flat;
    this.cache._holey = this.#known.holey;
  }

  /** The width of a letter that is not known of this font, if measuring the others brings it; remembers that it was met. */
  #measured(text, variant) {
    const known = this.#known;
    const letter = text + variant;
    const isMet = this.#letters.delete(letter);
    this.#letters.set(letter, [text, variant]);
    if (this.#letters.size > MOST_LETTERS) this.#letters.delete(this.#letters.keys().next().value);
    if (!known.isNew) return null;
    known.isNew = false;
    this.#measureAll();
    return isMet ? widthIn(known, text, variant) : null;
  }

  #measureAll() {
    const letters = [...this.#letters.values()];
    const spans = letters.map(([text, variant]) => this.#span(text, variant));
    this.cache._container.append(...spans);
    spans.forEach(({ offsetWidth }, index) => offsetWidth > 0 && setWidth(this.#known, ...letters[index], offsetWidth / REPEATED));
    for (const span of spans) span.remove();
  }

  #span(text, variant) {
    const { fontWeight, fontStyle } = this.cache._measureElements[variant].style;
    const span = document.createElement("span");
    span.className = "xterm-char-measure-element";
    Object.assign(span.style, { fontWeight, fontStyle });
    span.textContent = text.repeat(REPEATED);
    return span;
  }
}

// As xterm.js keeps them: apart from the first 256 by a name.

function isFlat(text, variant) {
  return !variant && text.length === 1 && text.charCodeAt(0) < 256;
}

function nameOf(text, variant) {
  return text + (variant & 1 ? "B" : "") + (variant & 2 ? "I" : "");
}

function setWidth({ flat, holey }, text, variant, width) {
  if (isFlat(text, variant)) flat[text.charCodeAt(0)] = width;
  else holey.set(nameOf(text, variant), width);
}

function widthIn({ flat, holey }, text, variant) {
  const width = isFlat(text, variant) ? flat[text.charCodeAt(0)] : holey.get(nameOf(text, variant));
  return width > 0 ? width : null;
}
