// What the server answers with rows of a transcript, and how they enter the list: each place once, in its order.

/** {rows, changed, replacing, through, earlier, later} of an answer of /sessions/<id>/rows/. */
export function parseRows(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const list = holder.content.querySelector("[data-rows]");
  if (!list) throw new Error("no rows in the answer");
  const number = (name) => (list.dataset[name] === undefined ? null : Number(list.dataset[name]));
  return {
    rows: [...list.children],
    changed: [...(holder.content.querySelector("[data-changed]")?.children ?? [])],
    replacing: [...(holder.content.querySelector("[data-replacing]")?.children ?? [])],
    through: number("through"),
    earlier: number("earlier"),
    later: number("later"),
  };
}

/** Put rows at the `start` or the `end` of the list; those that stand there already are left out. Returns those put in. */
export function insertRows(list, rows, edge) {
  const fresh = rows.filter((row) => !list.querySelector(`:scope > #${CSS.escape(row.id)}`));
  if (edge === "start") list.prepend(...fresh);
  else list.append(...fresh);
  for (const row of fresh) window.htmx.process(row);
  return fresh;
}

/** Put what the row looks like now in its place, without closing what the reader has opened in it. */
export function replaceRow(row) {
  const old = document.getElementById(row.id);
  if (!old) return;
  const opened = [...old.querySelectorAll("details[open]")].map((fold) => [...old.querySelectorAll("details")].indexOf(fold));
  const focused = old.contains(document.activeElement) && document.activeElement.matches("summary");
  const current = old.getAttribute("aria-current");
  const folds = [...row.querySelectorAll("details")];
  if (current) row.setAttribute("aria-current", current);
  old.replaceWith(row);
  window.htmx.process(row);
  for (const index of opened) if (folds[index]) folds[index].open = true;
  if (focused) row.querySelector("summary")?.focus({ preventScroll: true });
}
