"""Each benchmark runs, at a toy size, and prints the one line that it promises. Nothing here looks at times."""

import copy
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks import harness, terminal_stalled, terminal_viewers
from benchmarks.__main__ import BENCHMARKS
from benchmarks.audit_tampering import told_by
from benchmarks.harness import Console, Cost, Pace, percentiles
from benchmarks.processes import Costs, Failed, PeakMemory
from benchmarks.terminal_attach import times_faster
from benchmarks.terminal_corpus import Cast
from benchmarks.terminal_fuzz import BROWSER_MEMORY_MB, IMPORT_MEMORY_MB, SERVER_MEMORY_MB, check
from benchmarks.terminal_hostile import FREEZING
from benchmarks.terminal_recordings import import_cast
from sessions_app.terminal.window import MAX_CELLS
from tests.chromium import find
from tests.endurance.sizes import IS_FULL

ROOT = Path(__file__).parents[1]
# Megabytes, sessions, messages or seconds, as the benchmark counts them.
TOY_SIZES = {
    "set-up": 1,
    "import": 2,
    "rescan": 2,
    "session-list": 2_000,
    "audit-pages": 6_000,
    "audit-append": 6_400,
    "audit-verify": 6_000,
    "audit-seal": 300,
    "audit-tampering": 1,
    "open-session": 300,
    "append-to-page": 1,
    "idle": 1,
    "terminal-follow": 1,
    "terminal-ingest": 1,
    "terminal-append": 1,
    "terminal-floor": 1,
    "terminal-screen": 1,
    "terminal-search": 1,
    "terminal-seek": 1,
    "terminal-attach": 1,
    "terminal-latency": 5,
    "terminal-viewers": 1,
    "terminal-stalled": 2,
    "terminal-wall": 1,
    "terminal-fuzz": 1,
    "record-overhead": 1,
}
# They are made alike for all; once is enough.
MAKES_TABLES = {"import"}
IN_BROWSER = {
    "append-to-page",
    "terminal-seek",
    "terminal-attach",
    "terminal-latency",
    "terminal-wall",
    "terminal-fuzz",
}


# What these have in common with the others, they show: files that are imported, pages that are asked for, output that
# is stored, and a browser. The others take minutes and wait for the long run.
ALWAYS = {"import", "session-list", "terminal-ingest", "append-to-page"}


def run_benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300,
    )


def engine() -> str:
    return "sqlite" if os.environ["SCROLLBACK_DATABASE_URL"].startswith("sqlite") else "postgres"


# Minutes of work, of which only that it runs is looked at here; what it runs is tested on both engines elsewhere.
@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in BENCHMARKS if IS_FULL or name in ALWAYS])
def test_it_runs_and_prints_one_line(name: str, request: pytest.FixtureRequest) -> None:
    if name in IN_BROWSER and find() is None:
        pytest.skip("no browser to paint with")
    options = ["--engine", engine(), "--quick", "--no-peer", "--size", str(TOY_SIZES[name]), "--samples", "5"]
    if name not in MAKES_TABLES:
        options += ["--tables", request.getfixturevalue("migrated_database").removeprefix("sqlite:///")]

    done = run_benchmark(name, *options)

    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["name"], found["engine"], found["quick"]) == (name, engine(), True)
    assert set(found["machine"]) >= {"cores", "python", "versions", "load_at_start", "load_at_end"}
    check_figures(name, found)


def check_figures(name: str, found: dict[str, Any]) -> None:
    if name == "set-up":
        assert found["first"]["healthy_s"] > 0
        assert len(found["again"]) == 1
    elif name == "import":
        (size,) = found["sizes"]
        assert size["records"] > 100
        assert size["scrollback"]["peak_rss_mb"] > 20
        assert found["peer"] is None
    elif name == "rescan":
        assert (found["writes"], found["files"] > 0) == (0, True)
    elif name == "session-list":
        assert found["pages"]["first"]["in_process"]["samples"] >= 5
        assert any("session_recent" in step for step in found["pages"]["deepest"]["plan"])
    elif name == "audit-pages":
        assert found["pages"]["facets_first"]["in_process"]["samples"] >= 5
        # The header of a table is a line too, and so is what was recorded of the reading.
        assert all(figures["rows"] >= 6_000 for figures in found["exports"].values())
    elif name == "audit-append":
        assert (found["stream"]["written"], found["stream"]["failed"], found["broken"]) == (6_400, 0, [])
        assert found["strict"]["with_entry"]["samples"] >= 5
        assert found["tree"]["ratio"] > 0
        assert found["signed"]["samples"] >= 5
    elif name == "audit-verify":
        assert len(found["runs"]) == 3
    elif name == "audit-seal":
        assert found["sessions"]["large"]["rows"] > found["sessions"]["small"]["rows"] > 0
    elif name == "audit-tampering":
        assert found["attacks_on_log"]["tried"] >= found["attacks_on_log"]["classes"] > 12
        assert found["attacks_on_sealed"]["tried"] >= found["attacks_on_sealed"]["classes"] > 12
        assert min(found["sound"]["logs"], found["sound"]["consoles"]) > 0
    elif name == "open-session":
        assert found["sessions"]["large"]["messages"] == 300
        assert found["sessions"]["small"]["messages"] == 100
    elif name == "append-to-page":
        assert found["painted_in_browser"]["p50_ms"] > 0
    elif name == "idle":
        assert found["server_with_sockets"]["rss_mb"] > 20
    elif name == "terminal-follow":
        assert [run["viewers"] for run in found["runs"]] == [1, 20]
    elif name in TERMINAL_CHECKS:
        TERMINAL_CHECKS[name](found)


def check_ingest(found: dict[str, Any]) -> None:
    assert [kind["kind"] for kind in found["kinds"]] == ["log", "colour", "tui", "agent"]
    for figures in (*found["sizes"], *found["kinds"]):
        # Of the file, as is asked for.
        assert figures["mb"] == pytest.approx(1, abs=0.2)
        assert 0 < figures["output_mb"] <= figures["mb"]
        assert 0 < figures["share_of_keyframes"] < figures["share_of_output"] < figures["stored_share"]


def check_search(found: dict[str, Any]) -> None:
    (size,) = found["sizes"]
    here, there = size["patterns"], size["over_http"]
    assert here["common"]["hits"] > 100
    # The page gets a thousand at a time.
    assert there["common"]["hits"] == min(here["common"]["hits"], 1_000)
    assert here["absent"]["hits"] == there["absent"]["hits"] == 0
    assert here["common"]["first_hit_ms"] <= here["common"]["worst_all_ms"]
    assert there["common"]["first_hit_ms"] <= there["common"]["all_ms"]
    assert size["landing"]["samples"] >= 5
    assert size["landing"]["not_found"] == 0
    everywhere = found["everywhere"]
    assert everywhere["terminals"] == 11
    hits = {name: query["hits"] for name, query in everywhere["queries"].items()}
    # Of one terminal five places at most, unless terminals alone are asked for.
    assert hits["in terminals"] >= hits["common"] > 0
    assert hits["phrase"] > 0
    assert hits["absent"] == hits["common and absent"] == 0
    assert all(query["over_http"]["samples"] >= 5 for query in everywhere["queries"].values())


def check_screens(found: dict[str, Any]) -> None:
    (size,) = found["sizes"]
    assert size["compared"] >= 5
    assert size["different"] == 0


def check_seeks(found: dict[str, Any]) -> None:
    (size,) = found["sizes"]
    assert (size["not_arrived"], size["different"]) == (0, 0)
    assert size["seek_to_painted"]["p50_ms"] >= size["seek_to_written"]["p50_ms"] > 0
    # Of five random places two may lie in one write; of five random times most lie in one pause.
    assert size["places"] >= 4


def check_attaches(found: dict[str, Any]) -> None:
    (size,) = found["sizes"]
    assert size["attach_to_painted"]["samples"] >= 5
    # Neither lies a keyframe at the end, nor is always everything derived.
    assert size["behind_keyframe_kb"]["max"] >= size["behind_keyframe_kb"]["p50"] > 0
    assert size["underived_kb"]["max"] > 0
    assert size["page_to_painted"]["p50_ms"] > 0


def check_latency(found: dict[str, Any]) -> None:
    assert found["at_sockets"]["samples"] == 5 * 19
    assert found["in_buffer"]["p50_ms"] <= found["rendered"]["p50_ms"] <= found["painted"]["p50_ms"]


def check_viewers(found: dict[str, Any]) -> None:
    assert found["viewers"] == 20
    assert all(run["share_skipped"] == 0 for run in (found["together"], *found["live"]))
    assert found["together"]["seconds"] > found["together"]["came_s"] > 0
    assert all(run["server_grew_mb"] > 0 for run in (found["together"], *found["live"]))


def check_stalled(found: dict[str, Any]) -> None:
    assert found["stalled"] == 20
    # As much as may be on its way: what they cost was there to be seen.
    assert 0.5 < found["never acknowledges"]["sent_to_each_mb"] <= 1.1
    assert found["never reads"]["mb_per_stalled_viewer"] <= 2


def check_wall(found: dict[str, Any]) -> None:
    assert found["tiles"] == found["terminals"] == 24
    assert found["idle"]["requests_per_minute"] == 0
    assert found["writing"]["requests_per_minute"] > 0


def check_fuzz(found: dict[str, Any]) -> None:
    assert found["import"]["bytes_kept"] is True
    assert found["import"]["keyframes"] > 0
    assert found["screens"]["refused"] == []
    browser = found["browser"]
    assert browser["problems"] == 0
    # Each of these keeps a bare xterm.js busy for hours, or for half a minute at least; the page has clamps for all.
    assert browser["hangs"] == []
    assert browser["freezing"].keys() == {"ordinary", "largest"}
    for window in browser["freezing"].values():
        assert window["ms"].keys() == FREEZING.keys()
        assert all(milliseconds > 0 for milliseconds in window["ms"].values())
    assert browser["freezing"]["largest"]["cols"] * browser["freezing"]["largest"]["rows"] == MAX_CELLS
    # All of it came to the screen, and not by output alone.
    drawn = browser["drawn"]
    assert drawn["mb"] >= found["mb"]
    assert all(count > 0 for count in drawn["frames"].values())
    assert drawn["largest_window_cells"] == MAX_CELLS
    assert 100 < browser["memory_peak_mb"] < BROWSER_MEMORY_MB
    assert 50 < browser["server_peak_mb"] < SERVER_MEMORY_MB
    assert 20 < found["import"]["peak_rss_mb"] < IMPORT_MEMORY_MB
    live = found["live"]
    assert live["bytes_kept"] is True
    assert live["mb"] >= 0.1
    assert live["keyframes"] > 0
    assert 50 < live["server_peak_mb"] < SERVER_MEMORY_MB


def check_overhead(found: dict[str, Any]) -> None:
    for name in ("flood", "steady"):
        figures = found[name]
        assert figures["runs"] == 5
        assert figures["ratio"] == pytest.approx(figures["recorded_s"] / figures["bare_s"], rel=0.05)
        assert figures["recorder_cpu_s"] > 0
    assert found["flood"]["shown_mb"] >= 1
    # It sleeps, whatever is beside it.
    assert found["steady"]["bare_s"] >= 0.5


def check_floor(found: dict[str, Any]) -> None:
    for costs in found["cpu_ms_per_mb"].values():
        assert 0 < costs["engine_write"] < costs["together"]
        assert costs["words"] > 0


TERMINAL_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "terminal-ingest": check_ingest,
    "terminal-floor": check_floor,
    "terminal-screen": check_screens,
    "terminal-search": check_search,
    "terminal-seek": check_seeks,
    "terminal-attach": check_attaches,
    "terminal-latency": check_latency,
    "terminal-viewers": check_viewers,
    "terminal-stalled": check_stalled,
    "terminal-wall": check_wall,
    "terminal-fuzz": check_fuzz,
    "record-overhead": check_overhead,
}


@pytest.mark.once
def test_nothing_is_left_behind_and_an_unknown_name_is_refused() -> None:
    before = set((ROOT / ".cache" / "benchmarks").glob("*"))

    done = run_benchmark("no-such-benchmark", "--engine", "sqlite")

    assert done.returncode == 2
    assert "no-such-benchmark" in done.stderr
    assert done.stdout == ""
    assert set((ROOT / ".cache" / "benchmarks").glob("*")) == before


def test_percentiles_are_samples() -> None:
    assert percentiles([float(number) for number in range(1, 101)]) == {
        "samples": 100,
        "p50_ms": 50.0,
        "p95_ms": 95.0,
    }
    assert percentiles([7.0])["p95_ms"] == 7.0


def test_samples_count_as_at_full_speed_when_nothing_slowed_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paces = iter([2.0, *[2.0] * 20, 4.0, 4.0, 2.1])
    monkeypatch.setattr(harness, "_probe_ms", lambda _steps: next(paces))
    pace = Pace()
    for _ in range(20):
        pace.take(Cost(10.0, 10.0))
    assert pace.at_full_speed() == {"samples": 20, "p50_ms": 10.0, "p95_ms": 10.0}
    # Slower after it, before and after it, before it.
    for _ in range(3):
        pace.take(Cost(20.0, 20.0))
    assert pace.at_full_speed() == {"samples": 20, "p50_ms": 10.0, "p95_ms": 10.0}
    assert pace.slowdown == 1.0


def test_too_few_samples_at_full_speed_have_no_percentiles() -> None:
    pace = Pace()
    pace.take(Cost(10.0, 10.0))
    assert pace.at_full_speed() is None


FROZEN: dict[str, Any] = {"longest_task_ms": 90.0, "worst_ms": 400.0, "worst_afterwards_ms": 40.0}
FINE: dict[str, Any] = {
    "mb": 1,
    "import": {"peak_rss_mb": 100, "keyframes": 9, "keyframes_apart_mb": 0.3, "seconds": 3.0},
    "screens": {"refused": [], "worst_ms": 90.0},
    "live": {"keyframes": 3, "keyframes_apart_mb": 0.3, "server_peak_mb": 150},
    "browser": {
        "hangs": [],
        "memory_peak_mb": 100,
        "server_peak_mb": 150,
        "drawn": {"longest_task_ms": 90.0, "worst_afterwards_ms": 40.0},
        "freezing": {"ordinary": FROZEN, "largest": dict(FROZEN)},
    },
}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("browser.hangs", ["CSI 2147483647 S: no end"], r"hung over .*CSI 2147483647 S"),
        ("import.keyframes", 0, "no keyframe"),
        ("screens.refused", ["at 7: no answer within 5 s"], "1 screens were refused, first at 7"),
        ("import.keyframes_apart_mb", 9.5, "9.5 megabytes without a keyframe"),
        ("import.seconds", 999.0, "999.0 seconds of the import, 35"),
        ("screens.worst_ms", 5_001.0, "5001.0 milliseconds of a screen"),
        ("import.peak_rss_mb", IMPORT_MEMORY_MB + 1, "1001 MB of memory of the import"),
        ("browser.memory_peak_mb", BROWSER_MEMORY_MB + 1, "2001 MB of memory of the browser"),
        ("browser.drawn.longest_task_ms", 3_001.0, "3001.0 milliseconds of one task of the page, 3000"),
        (
            "browser.freezing.ordinary.longest_task_ms",
            1_501.0,
            "1501.0 .* task of the page in the ordinary window",
        ),
        (
            "browser.freezing.largest.longest_task_ms",
            3_001.0,
            "3001.0 .* task of the page in the largest window",
        ),
        (
            "browser.freezing.largest.worst_ms",
            15_001.0,
            "15001.0 milliseconds of one sequence in the largest",
        ),
        (
            "browser.freezing.ordinary.worst_afterwards_ms",
            2_001.0,
            "2001.0 .* drew the ordinary window again",
        ),
        ("live.keyframes", 0, "no keyframe"),
        ("live.keyframes_apart_mb", 9.5, "9.5 megabytes of live output without"),
        ("live.server_peak_mb", 601, "601 MB of memory of the server that a recorder"),
        ("browser.server_peak_mb", 601, "601 MB of memory of the server whose page plays"),
        ("browser.drawn.worst_afterwards_ms", 9_000.0, "9000.0 milliseconds until the page drew again"),
    ],
)
def test_what_harm_is_done_by_hostile_output_is_a_failure(path: str, value: object, reason: str) -> None:
    figures = copy.deepcopy(FINE)
    check(figures)
    *groups, name = path.split(".")
    functools.reduce(dict.__getitem__, groups, figures)[name] = value
    with pytest.raises(Failed, match=reason):
        check(figures)


STALLED_FINE: dict[str, Any] = {
    "without": {"others_share_skipped": 0.0, "others_last_s": 20.0},
    "never acknowledges": {"others_share_skipped": 0.0, "others_last_s": 20.4, "mb_per_stalled_viewer": 0.4},
    "never reads": {"others_share_skipped": 0.0, "others_last_s": 20.4, "mb_per_stalled_viewer": 1.4},
}


@pytest.mark.parametrize(
    ("kind", "name", "value", "reason"),
    [
        ("without", "others_share_skipped", 0.1, r"without: the others were not sent 10.00%"),
        ("never reads", "others_share_skipped", 0.001, r"never reads: the others were not sent 0.10%"),
        ("never reads", "mb_per_stalled_viewer", 2.1, r"one that never reads takes 2.1 MB"),
        ("never acknowledges", "mb_per_stalled_viewer", 9.0, r"one that never acknowledges takes 9 MB"),
        ("never acknowledges", "others_last_s", 23.5, r"never acknowledges: .* 3.5 s later"),
    ],
)
def test_what_stalled_viewers_cost_the_others_is_a_failure(
    kind: str, name: str, value: float, reason: str
) -> None:
    figures = copy.deepcopy(STALLED_FINE)
    terminal_stalled.check(figures)
    figures[kind][name] = value
    with pytest.raises(Failed, match=reason):
        terminal_stalled.check(figures)


def test_output_that_viewers_are_spared_is_a_failure() -> None:
    terminal_viewers.check({"together": {"share_skipped": 0.0}})
    with pytest.raises(Failed, match=r"0.02% of what was sent"):
        terminal_viewers.check({"together": {"share_skipped": 0.0002}})


def test_the_most_memory_of_a_program_is_seen_also_where_it_is_given_back() -> None:
    grown = "import time; kept = bytearray(80_000_000); time.sleep(0.5); del kept; time.sleep(0.5)"
    with subprocess.Popen([sys.executable, "-c", grown]) as program, PeakMemory(program.pid) as memory:
        program.wait()
    assert memory.first_bytes < 60_000_000
    assert memory.peak_bytes > 80_000_000


def test_an_import_that_warns_is_a_failure(tmp_path: Path) -> None:
    class Stumbling:
        def measured(self, *_: str) -> Costs:
            return Costs(
                1.0, 1.0, 1, b'{"errors": [], "skipped": []}', b"the engine stumbles over the output"
            )

    with pytest.raises(Failed, match="had to warn: the engine stumbles"):
        import_cast(cast(Console, Stumbling()), Cast(tmp_path / "made.cast", "made", 1, 1))


def test_a_peer_that_could_not_load_is_compared_with_nothing() -> None:
    measured = {"page_to_painted": {"samples": 5, "p50_ms": 200.0, "p95_ms": 400.0}}
    assert times_faster(measured, {"load_to_painted_ms": 1_000.0}) == {
        "times_faster_p50": 5.0,
        "times_faster_p95": 2.5,
    }
    assert times_faster(measured, {"failed": "too long a string"}) == {}


REPORT = """<testsuites><testsuite>
<testcase name="test_a[edit]"><properties><property name="attacks_on_log" value="100"/></properties></testcase>
<testcase name="test_a[delete]"><properties><property name="attacks_on_log" value="100"/></properties></testcase>
<testcase name="test_b[cut]"><properties><property name="attacks_on_sealed" value="90"/></properties></testcase>
<testcase name="test_c"><properties><property name="sound_logs" value="200"/></properties></testcase>
<testcase name="test_d"/>
</testsuite></testsuites>"""


def test_what_was_tried_of_attacks_is_what_the_tests_tell(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert told_by(report) == {
        "attacks_on_log": {"classes": 2, "tried": 200, "unnoticed": 0},
        "attacks_on_sealed": {"classes": 1, "tried": 90, "unnoticed": 0},
        "sound": {"logs": 200, "consoles": 0, "false_alarms": 0},
    }


@pytest.mark.parametrize("trouble", ["failure", "error", "skipped"])
def test_an_attack_that_is_not_noticed_is_named(trouble: str, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        REPORT.replace('<testcase name="test_d"/>', f'<testcase name="test_d"><{trouble}/></testcase>')
    )
    with pytest.raises(Failed, match="test_d"):
        told_by(report)
