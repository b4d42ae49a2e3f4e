// The bytes of a program are hostile: they may freeze the page, speak for the reader or lead somewhere else.

// 11 bytes (CSI 10000000 S) keep xterm.js busy for half a minute, since it scrolls line by line. No screen has more
// lines than this, so nothing that a program means is lost.
const MOST_LINES = 2_000;
const MOST_CELLS = 20_000;
const MOST_LINK_CHARS = 2_048;
const MOST_LINKS = 20_000;

const LINE_COUNTS = ["S", "T", "L", "M"];
const CELL_COUNTS = ["b", "Z", "I", "@", "P", "X"];
const swallow = () => true;

/** Keep `terminal` (of xterm.js) from freezing, answering, renaming and linking without end. */
export function makeSafe(terminal) {
  const { parser } = terminal;
  const tooMany = (limit) => (parameters) => parameters.some((value) => [value].flat().some((n) => n > limit));
  for (const final of LINE_COUNTS) parser.registerCsiHandler({ final }, tooMany(MOST_LINES));
  for (const final of CELL_COUNTS) parser.registerCsiHandler({ final }, tooMany(MOST_CELLS));

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
  for (const code of [4, 10, 11, 12]) parser.registerOscHandler(code, (data) => data.includes("?"));

  // Titles, the clipboard, notifications.
  for (const code of [0, 1, 2, 9, 52, 777]) parser.registerOscHandler(code, swallow);

  let links = 0;
  parser.registerOscHandler(8, (data) => data.length > MOST_LINK_CHARS || (data.length > 2 && ++links > MOST_LINKS));
}

/** What xterm.js does with links: says where one leads, asks, and opens only the web. */
export function linkHandler(tell) {
  return {
    allowNonHttpProtocols: false,
    hover: (_event, target) => tell(target),
    leave: () => tell(""),
    activate(_event, target) {
      if (confirm(`A program wrote this link. Open it?\n\n${target}`)) open(target, "_blank", "noopener,noreferrer");
    },
  };
}
