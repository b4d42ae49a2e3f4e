// What xterm.js needs to know of the page's looks: its palette as plain colours, the size of a letter, the nonce of its policy.

const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** Run `make` while style elements are made with the page's nonce, without which its policy refuses xterm.js's own. */
export function withNonce(make) {
  const nonce = document.querySelector("script[nonce]")?.nonce;
  const createElement = Document.prototype.createElement;
  document.createElement = function (name, options) {
    const element = createElement.call(document, name, options);
    if (nonce && name.toLowerCase() === "style") element.nonce = nonce;
    return element;
  };
  try {
    make();
  } finally {
    delete document.createElement;
  }
}

/** The palette of the page; xterm.js wants plain colours, so the browser computes them. */
export function themeOf(host) {
  const probe = host.appendChild(document.createElement("span"));
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (name) => {
    probe.style.color = `var(--term-${name})`;
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
    return `#${[red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  };
  const theme = {
    background: colour("background"),
    foreground: colour("foreground"),
    cursor: colour("cursor"),
    cursorAccent: colour("background"),
    selectionBackground: colour("selection"),
    // Sixteen colours cannot all be read on it.
    selectionForeground: colour("foreground"),
    scrollbarSliderBackground: colour("scrollbar"),
    scrollbarSliderHoverBackground: colour("scrollbar-hover"),
    scrollbarSliderActiveBackground: colour("scrollbar-hover"),
  };
  for (const name of COLOURS) {
    theme[name] = colour(name);
    theme[`bright${name[0].toUpperCase()}${name.slice(1)}`] = colour(`bright-${name}`);
  }
  probe.remove();
  return theme;
}

/** Width and height of a cell of this font at 1 px. */
export function cellSize(fontFamily) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `100px ${fontFamily}`;
  const measured = context.measureText("W");
  return { width: measured.width / 100, height: (measured.fontBoundingBoxAscent + measured.fontBoundingBoxDescent) / 100 };
}
