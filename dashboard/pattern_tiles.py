"""Tiles of the pattern pages: a wall of terminals that never were."""

from typing import Final

from django.utils.safestring import mark_safe

from dashboard.lib.clock import now_ms
from sessions_app.models import Terminal
from sessions_app.terminal.engine.model import Style, StyledScreen
from sessions_app.terminal.picture import draw
from sessions_app.wall import Tile

_SECOND: Final = 1_000
_HOUR: Final = 3_600 * _SECOND
_DAY: Final = 24 * _HOUR
_DIM: Final = Style(foreground=8)
_RED: Final = Style(foreground=1)
_GREEN: Final = Style(foreground=2)
_PLAIN: Final = Style()
# Title, window, state, exit status, age of the last output.
_TERMINALS: Final[list[tuple[str, tuple[int, int], str, int | None, int]]] = [
    ("pytest -q tests/queue", (80, 24), "live", None, 3 * _SECOND),
    ("cargo build --release", (160, 48), "live", None, _SECOND),
    ("make watch", (100, 30), "live", None, 3 * _HOUR),
    ("htop", (120, 40), "ended", 0, 2 * _DAY),
    ("psql ledger", (80, 24), "ended", 2, 4 * _DAY),
    ("ssh rack-2", (120, 32), "lost", None, 9 * _DAY),
]


def tiles() -> list[Tile]:
    return [_tile(*values) for values in _TERMINALS]


def _tile(title: str, window: tuple[int, int], state: str, exit_status: int | None, age: int) -> Tile:
    terminal = Terminal(
        title=title, cols=window[0], rows=window[1], state=state, exit_status=exit_status, host="workshop",
        size=48_213, updated_ms=now_ms() - age,
    )  # fmt: skip
    rows = _rows(title)
    rest = ((),) * (window[1] - len(rows))
    screen = StyledScreen(window[0], rows + rest, 0, len(rows), state == "live", is_alternate=False)
    return Tile(terminal, "1", mark_safe(draw(screen)), is_behind=False)  # noqa: S308  drawn of the rows below


def _rows(command: str) -> tuple[tuple[tuple[str, Style], ...], ...]:
    prompt = ("ada@workshop", Style(foreground=2, bold=True)), ("$ ", _PLAIN), (command, Style(bold=True))
    return (
        prompt,
        (("." * 31, _GREEN), ("F", _RED), ("." * 12, _GREEN), ("   [ 71%]", _DIM)),
        (("." * 18, _GREEN), (" " * 29 + "[100%]", _DIM)),
        (),
        (("─" * 16 + " FAILURES " + "─" * 16, _RED),),
        (("def test_restore_drops_done_jobs(queue, journal):", _PLAIN),),
        (('    queue.push(Job("a"), delay_ms=10)', _PLAIN),),
        ((">   assert RetryQueue(journal).restore() == 0", _RED),),
        (("E   assert 1 == 0", _RED),),
        (),
        ((" 1 failed ", Style(foreground=15, background=1)), (" 61 passed", _GREEN), (" in 4.18s", _DIM)),
    )
