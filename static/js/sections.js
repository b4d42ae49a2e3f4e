// Parts of a page that the server draws and that are put in place again when they changed: each [data-section] by its place among them.

/** What somebody types into, has opened, or has selected text of must not go; the focus can move to a row or a link that is there again. */
function inUse(section) {
  const focused = section.contains(document.activeElement) && document.activeElement;
  const selection = getSelection();
  return (
    (focused && !focused.closest("[data-row], [href]")) ||
    section.matches("details[open]") ||
    section.querySelector("details.menu[open]") !== null ||
    (!selection.isCollapsed && section.contains(selection.anchorNode))
  );
}

// What the server drew last: what a reader unfolded or loaded in a part since then is no difference.
const drawn = new WeakMap();

/** Remembers what the sections of a page look like before anybody touches them. */
export function rememberSections(shown) {
  for (const section of shown.querySelectorAll("[data-section]")) drawn.set(section, wordsOf(section));
}

/**
 * Replaces the sections of `shown` that differ from those of `fresh`, but for those in use. Returns how many were kept for that reason, or
 * null when the two do not have the same sections, and nothing was replaced.
 */
export function replaceSections(shown, fresh) {
  const sections = [...shown.querySelectorAll("[data-section]")];
  const found = [...fresh.querySelectorAll("[data-section]")];
  if (sections.length !== found.length) return null;
  let kept = 0;
  sections.forEach((section, place) => {
    if (!replacePart(section, found[place].cloneNode(true))) kept += 1;
  });
  return kept;
}

/** False when it differs and stays as it is, because somebody uses it. */
export function replacePart(section, fresh) {
  const words = wordsOf(fresh);
  if (words === (drawn.get(section) ?? wordsOf(section))) return true;
  if (inUse(section)) return false;
  drawn.set(fresh, words);
  const focused = section.contains(document.activeElement) ? document.activeElement : null;
  const row = focused?.closest("[data-row]")?.dataset.id;
  const address = focused?.getAttribute("href");
  const rows = [...section.querySelectorAll("[data-row]")].map(({ dataset }) => dataset.id);
  const left = section.scrollLeft;
  section.replaceWith(fresh);
  fresh.scrollLeft = left;
  window.htmx.process(fresh);
  if (row) focusRow(fresh, row, rows);
  else if (address) fresh.querySelector(`[href="${CSS.escape(address)}"]`)?.focus({ preventScroll: true });
  return true;
}

/** Where the row with the focus has gone, the one below it has it, else the one above; where none is left, the heading. */
function focusRow(section, id, before) {
  const at = before.indexOf(id);
  const ids = [...before.slice(at), ...before.slice(0, at).reverse()];
  const links = ids.map((each) => section.querySelector(`[data-row][data-id="${CSS.escape(each)}"] a`));
  const goal = links.find(Boolean) ?? section.querySelector("h2");
  if (goal?.matches("h2")) goal.tabIndex = -1;
  goal?.focus({ preventScroll: true });
}

/** Relative times and the form's own token differ without any news. */
function wordsOf(section) {
  const copy = section.cloneNode(true);
  for (const part of copy.querySelectorAll("relative-time, input[type=hidden]")) part.remove();
  const facts = [...copy.querySelectorAll("[data-row], [data-terminal]")].map(({ dataset }) => JSON.stringify(dataset));
  return copy.textContent.replace(/\s+/g, " ") + facts.join();
}
