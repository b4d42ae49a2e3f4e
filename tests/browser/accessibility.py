"""What axe finds on a page as it stands, in both themes.

The page's context needs `bypass_csp=True`: axe puts style elements of its own into the page to measure it.
"""

from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.settled import at_rest

_AXE = Path(__file__).resolve().parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# All that a theme changes.
_COLOURS = ["color-contrast", "link-in-text-block"]
_NARROW_PX = 720
# New in WCAG 2.2 and off unless it is asked for by name.
_TARGETS = ["target-size"]
# Bars stand where they would without sticking, and what is fixed to the window below all of the page.
_LET_GO = """() => {
  const below = `0 ${document.scrollingElement.scrollHeight}px`;
  const changes = { sticky: { position: "relative", inset: "auto" }, fixed: { translate: below } };
  window.letGo = [...document.querySelectorAll("body *")].flatMap((element) => {
    const change = changes[getComputedStyle(element).position];
    return change ? [{ element, change, before: element.getAttribute("style") }] : [];
  });
  for (const { element, change } of window.letGo)
    for (const [name, value] of Object.entries(change)) element.style.setProperty(name, value, "important");
}"""
_TAKE_BACK = """() => {
  for (const { element, before } of window.letGo)
    if (before === null) element.removeAttribute("style");
    else element.setAttribute("style", before);
}"""
_RUN = """async (rules) => {
  const only = rules ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run({ resultTypes: ["violations"], ...only });
  const told = (id, { target, html }) => `${id} ${target} ${html.slice(0, 160)}`;
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => told(id, node)));
}"""


def findings(page: Page, where: str) -> list[str]:
    """One line for each violation. All rules are tried in the light theme, those about colours in the dark one too.

    Not in a narrow window, which has the colours of a wide one.
    """
    found: list[str] = []
    is_narrow = page.viewport_size is not None and page.viewport_size["width"] < _NARROW_PX
    themes: list[tuple[str, list[str] | None]] = [("light", None), ("dark", _COLOURS)]
    for theme, rules in themes[:1] if is_narrow else themes:
        # Without motion a colour is at its end at once.
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        if rules is None:
            page.evaluate(_AXE.read_text())
        found += [f"{where}, {theme}: {violation}" for violation in page.evaluate(_RUN, rules)]
    return found + [f"{where}: {violation}" for violation in _small_targets(page)]


def of_each(page: Page, addresses: Iterable[str], *, sizes_alone: bool = False) -> list[str]:
    """The findings on each page once it is at rest, and whether it is wider than the window.

    With `sizes_alone` of the former only what is too small to be hit.
    """
    found: list[str] = []
    for address in addresses:
        page.goto(address)
        at_rest(page)
        if sizes_alone:
            page.evaluate(_AXE.read_text())
            found += [f"{address}: {violation}" for violation in _small_targets(page)]
        else:
            found += findings(page, address)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{address}: wider than the window")
    return found


def _small_targets(page: Page) -> list[str]:
    """What is too small to be hit, with nothing that stays in sight over the rest of the page.

    What is half behind such a bar is scrolled, not small. The window keeps its size: a terminal would take a share of
    it, and a browser needs minutes to draw one as tall as a long page.
    """
    page.evaluate(_LET_GO)
    violations: list[str] = page.evaluate(_RUN, _TARGETS)
    page.evaluate(_TAKE_BACK)
    return violations
