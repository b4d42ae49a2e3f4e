"""Attaching to a live terminal with much behind it, until it is painted in Chromium."""

from typing import TYPE_CHECKING, Any

from benchmarks import asciinema_peer
from benchmarks.harness import Console, Options, percentiles, say
from benchmarks.terminal_recordings import Imported, import_mixed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from sessions_app.models import Terminal
    from tests.browser.running import Server

SAMPLES = 100
PEER_PATIENCE_S = 120.0
TARGET = {"attach_p95_ms": 100}
# Opens a new connection, as after a loss of the network; done when everything that there is has been written.
_ATTACH = """async (size) => {
  const view = terminalView();
  view.leaveLive();
  const { screen } = view;
  const { apply } = screen;
  const written = new Promise((resolve) => {
    screen.apply = (frame, done) => apply.call(screen, frame, () => {
      done();
      if (view.connection.follower.expected >= size) resolve(performance.now());
    });
  });
  const started = performance.now();
  view.follow();
  const times = { written: (await written) - started, shown: (await painted()) - started };
  screen.apply = apply;
  return times;
}"""
# Everything since the address was entered, scripts out of the cache included.
_OPENED = """async (size) => {
  while (!((terminalView()?.connection?.follower.expected ?? 0) >= size)) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => terminalView().screen.terminal.write("", resolve));
  return painted();
}"""


def run(options: Options, console: Console) -> dict[str, Any]:
    from benchmarks.painting import browser, prepared

    imported = import_mixed(options, console)
    console.use_here()
    from benchmarks import visiting

    figures: dict[str, Any] = {"target": TARGET, "sizes": []}
    cookie = visiting.cookie_of(visiting.make_operator())
    with visiting.serving(console) as server, browser() as running:
        for megabytes, one in imported.items():
            measured = {"mb": megabytes, **_measure(running, server, cookie, one, options)}
            say(f"{measured}")
            if options.with_peer:
                with (
                    asciinema_peer.serving(one.cast.path, console.folder) as address,
                    prepared(running) as context,
                ):
                    measured["asciinema_player"] = peer = asciinema_peer.measure(
                        context.new_page(), address, [1.0], PEER_PATIENCE_S
                    )
                measured |= times_faster(measured, peer)
            figures["sizes"].append(measured)
    if len(imported) > 1:
        p95 = [size["attach_to_painted"]["p95_ms"] for size in figures["sizes"]]
        figures["largest_to_smallest_p95"] = round(p95[-1] / p95[0], 2)
    return figures


def times_faster(measured: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """The peer's time until the recording is painted to that of the whole page; empty when it could not load it."""
    if "load_to_painted_ms" not in peer:
        return {}
    page = measured["page_to_painted"]
    return {
        f"times_faster_{rank}": round(peer["load_to_painted_ms"] / page[f"{rank}_ms"], 1)
        for rank in ("p50", "p95")
    }


def _measure(
    running: "Browser", server: "Server", cookie: str, imported: Imported, options: Options
) -> dict[str, Any]:
    from benchmarks.painting import call, signed_in
    from sessions_app.models import Terminal

    terminal = as_live(Terminal.objects.get(pk=imported.terminal_id))
    count = options.requests(SAMPLES)
    with signed_in(running, server, cookie) as context:
        page = context.new_page()
        opened = []
        for _ in range(count):
            page.goto(f"{server.url}/terminals/{terminal.pk}/", wait_until="commit")
            opened.append(call(page, _OPENED, terminal.size))
        attached = [call(page, _ATTACH, terminal.size) for _ in range(count)]
    return {
        "attach_to_painted": percentiles([times["shown"] for times in attached]),
        "attach_to_written": percentiles([times["written"] for times in attached]),
        # The first one fills the browser's cache.
        "page_to_painted": percentiles(opened[1:]),
        "first_page_ms": round(opened[0], 1),
    }


def as_live(terminal: "Terminal") -> "Terminal":
    """Let an imported recording be one whose program still runs."""
    from sessions_app.models import TerminalEventKind, TerminalState

    removed, _ = terminal.events.filter(kind=TerminalEventKind.EXIT).delete()
    terminal.event_count -= removed
    terminal.derived_event = terminal.event_count
    terminal.state, terminal.exit_status, terminal.ended_ms = TerminalState.LIVE, None, None
    terminal.derived_end = False
    terminal.save()
    return terminal
