// The one WebSocket of a console page. It carries only news that there is news; elements fetch the rest.
//
// Sets <html data-live="connecting|connected|offline|closed"> and dispatches on the document
//   scrollback:changed    {kind, id, seq, gone}: this row changed, or is new; a session in the trash is gone
//   scrollback:refresh    after each (re)connect and when too much changed to say what: all shown may be out of date
//   scrollback:counts     {needs_me, running, live_terminals}

import { LiveSocket } from "scrollback/live-socket";

const NEWS = new Set(["changed", "refresh", "counts"]);

let shared = null;

/** The page's connection, opened by the first element that needs it. */
export function consoleConnection() {
  if (shared) return shared;
  shared = new LiveSocket(() => "/live/console/", {
    receive: ({ type, ...detail }) => NEWS.has(type) && say(type, detail),
    show: (state) => {
      document.documentElement.dataset.live = state;
      if (state === "connected") say("refresh");
    },
  });
  shared.start();
  return shared;
}

function say(type, detail) {
  document.dispatchEvent(new CustomEvent(`scrollback:${type}`, { detail }));
}
