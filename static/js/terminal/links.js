// The links that a program writes (OSC 8): how many xterm.js keeps, and where they may lead.

const MOST_LINK_CHARS = 2_048;
const MOST_LINKS = 20_000;
// As xterm.js keeps its cells: the last of three numbers says whether there is more of it, a link for one.
const CELL_NUMBERS = 3;
const HAS_MORE = 0x1000_0000;

/**
 * Have `terminal` (of xterm.js) keep so many links at most, and none that no text has any more: it never forgets one whose text was
 * written over, and those of buffers before a reset hold all of the lines that they stood in, up to 50 MB each.
 */
export function boundLinks(terminal) {
  const { _bufferService: service, _oscLinkService: links, _inputHandler: input } = terminal._core;
  let room = MOST_LINKS;
  // To be refused before it is worth looking again for some that can be forgotten.
  let refused = 0;
  const hasRoom = () => {
    if (!room && !refused) {
      forgetUnused(terminal);
      room = Math.max(0, MOST_LINKS - links._dataByLinkId.size);
      refused = room < MOST_LINKS / 4 ? MOST_LINKS / 4 : 0;
    }
    if (room) {
      room -= 1;
      return true;
    }
    refused -= 1;
    return false;
  };
  terminal.parser.registerOscHandler(8, (data) => {
    const isTaken = data.length <= 2 || (data.length <= MOST_LINK_CHARS && hasRoom());
    // Text of one that is not taken does not belong to the one before it.
    if (!isTaken) input._finishHyperlink();
    return !isTaken;
  });

  const reset = service.reset.bind(service);
  service.reset = () => {
    service.buffers.normal.clearAllMarkers();
    service.buffers.alt.clearAllMarkers();
    reset();
    room = MOST_LINKS;
    refused = 0;
  };
}

function forgetUnused(terminal) {
  const { _bufferService: service, _oscLinkService: links, _inputHandler: input } = terminal._core;
  const used = new Set([input._curAttrData.extended.urlId]);
  for (const { lines } of [service.buffers.normal, service.buffers.alt]) {
    for (let row = 0; row < lines.length; row += 1) addLinksOf(lines.get(row), used);
  }
  for (const { id, lines } of [...links._dataByLinkId.values()]) {
    if (!used.has(id)) for (const marker of [...lines]) marker.dispose();
  }
}

function addLinksOf({ _extendedAttrs: more, _data: cells }, used) {
  for (const column in more) {
    if (cells[column * CELL_NUMBERS + CELL_NUMBERS - 1] & HAS_MORE) used.add(more[column].urlId);
  }
}

/** What xterm.js does with links: says where one leads, asks, and opens only the web. */
export function linkHandler(tell) {
  return {
    allowNonHttpProtocols: false,
    hover: (_event, target) => tell(addressOf(target)?.href ?? ""),
    leave: () => tell(""),
    activate(_event, target) {
      const address = addressOf(target);
      if (address && confirm(`A program wrote this link. Open it?\n\n${address.host}\n\n${address.href}`)) {
        open(address.href, "_blank", "noopener,noreferrer");
      }
    },
  };
}

/** The address as the browser understands it, in letters that cannot look like others; null for what is not the web. */
function addressOf(target) {
  const address = URL.parse(target);
  return address && ["http:", "https:"].includes(address.protocol) ? address : null;
}
