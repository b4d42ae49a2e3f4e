// Many controls of one kind in a row are one stop of the Tab key; arrow keys, Home and End go from one to another.

/** Only `current` can be reached with Tab. */
export function settle(items, current = items[0]) {
  for (const item of items) item.tabIndex = item === current ? 0 : -1;
}

/** A keydown on one of `items` moves the focus among them. */
export function moveAmong(event, items) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const at = items.indexOf(event.target);
  if (at < 0) return;
  const next = by ? items[at + by] : event.key === "Home" ? items[0] : event.key === "End" ? items.at(-1) : null;
  // Also at the first and the last one: the key means these here, and nothing else on the page.
  if (by || next) event.preventDefault();
  if (!next) return;
  settle(items, next);
  next.focus();
}
