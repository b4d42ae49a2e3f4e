// The keys of the player, as dashboard/shortcuts.py lists them. Beside other things on a page (a session's transcript) those
// that people press for the page itself only mean the player while the focus is in it.

const FOR_THE_PAGE_TOO = ["search:open", "player:find", "player:first", "player:last", "player:tenth"];

/** `commands`: {"player:toggle": (detail) => …}; one that returns false leaves the key to others. */
export function listenToKeys(view, commands, { alone, signal }) {
  for (const [name, act] of Object.entries(commands)) {
    document.addEventListener(
      name,
      (event) => {
        const from = event.detail?.from;
        const mine = alone || view.hasAttribute("data-full") || view.contains(from ?? document.activeElement);
        if (event.defaultPrevented || (!mine && FOR_THE_PAGE_TOO.includes(name))) return;
        if (act(event.detail ?? {}) !== false) event.preventDefault();
      },
      { signal },
    );
  }
}
