"""Importing trees of histories, with the strongest peer beside it in the same run."""

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.corpus import Tree, make_tree
from benchmarks.harness import MB, Console, Options, fresh_console, say
from benchmarks.processes import Costs, Failed

SIZES_MB = (100, 1100)
# Above this a second round costs minutes and tells little more.
TWO_ROUNDS_BELOW_MB = 300


def run(options: Options, console: Console) -> dict[str, Any]:
    sizes = [_measure(megabytes, options, console) for megabytes in options.scaled(*SIZES_MB)]
    speeds = [size["scrollback"]["mb_per_s"] for size in sizes]
    figures: dict[str, Any] = {
        "peer": f"agentsview {peer.VERSION}" if options.with_peer else None,
        "sizes": sizes,
    }
    if len(sizes) > 1:
        figures["largest_to_smallest_speed"] = round(speeds[-1] / speeds[0], 2)
    return figures


def _measure(megabytes: int, options: Options, console: Console) -> dict[str, Any]:
    tree = make_tree(console.folder / "tree", megabytes)
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    try:
        if options.with_peer:
            peer.installed("agentsview", peer.VERSION)
        for _ in range(2 if megabytes < TWO_ROUNDS_BELOW_MB and not options.quick else 1):
            ours.append(_import(tree, options))
            say(f"scrollback  {ours[-1]}")
            if options.with_peer:
                theirs.append(_figures(tree, peer.sync(tree, console.folder)))
                say(f"agentsview  {theirs[-1]}")
        figures: dict[str, Any] = {
            "mb": round(tree.size / MB, 1),
            "files": tree.files,
            "records": tree.records,
            "scrollback": max(ours, key=_speed),
        }
        if theirs:
            figures["agentsview"] = max(theirs, key=_speed)
            figures["agentsview_full"] = _figures(tree, peer.sync(tree, console.folder, "--full"))
            say(f"agentsview --full  {figures['agentsview_full']}")
            figures["ratio"] = _ratios(figures["scrollback"], figures["agentsview"])
            figures["ratio_to_full"] = _ratios(figures["scrollback"], figures["agentsview_full"])
        return figures
    finally:
        shutil.rmtree(tree.folder, ignore_errors=True)


def _import(tree: Tree, options: Options) -> dict[str, Any]:
    """One import into an empty database. Raises Failed when anything of the tree was lost."""
    with fresh_console(options.engine) as console:
        before = console.database_processor_seconds()
        costs = console.measured("import", str(tree.folder), "--json")
        report = json.loads(costs.output)
        if report["bytes"] != tree.size or report["errors"]:
            raise Failed(f"{report['bytes']} of {tree.size} bytes were imported, errors: {report['errors']}")
        figures = _figures(tree, costs)
        if options.engine == "sqlite":
            figures["database_mb"] = round(_size_of(console.home) / MB, 1)
        else:
            figures["database_cpu_s"] = round(console.database_processor_seconds() - before, 2)
        return figures


def _figures(tree: Tree, costs: Costs) -> dict[str, Any]:
    return {
        "seconds": round(costs.wall_s, 2),
        "mb_per_s": round(tree.size / MB / costs.wall_s, 2),
        "records_per_s": round(tree.records / costs.wall_s),
        "cpu_s": round(costs.cpu_s, 2),
        "mb_per_cpu_s": round(tree.size / MB / costs.cpu_s, 2),
        "peak_rss_mb": round(costs.peak_bytes / MB),
    }


def _speed(figures: dict[str, Any]) -> float:
    return float(figures["mb_per_s"])


def _ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """Above 1 is better for speed, below 1 for memory."""
    return {
        "speed": round(ours["mb_per_s"] / theirs["mb_per_s"], 2),
        "speed_per_cpu_s": round(ours["mb_per_cpu_s"] / theirs["mb_per_cpu_s"], 2),
        "memory": round(ours["peak_rss_mb"] / theirs["peak_rss_mb"], 2),
    }


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
