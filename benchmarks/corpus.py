"""Trees of real-looking histories, made by the generator that lies beside the checkout. Deterministic."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import ROOT, say
from benchmarks.processes import Failed

GENERATOR = ROOT.parent / "shared" / "tools" / "gen_corpus.py"
# A session of the generator and its share of Codex's has about this many bytes; one tenth of a tree is one big file.
BYTES_PER_SESSION = 341_000
BIG_SHARE = 0.1


@dataclass(frozen=True)
class Tree:
    """`claude/projects` and `codex/sessions` below `folder`."""

    folder: Path
    size: int
    files: int
    records: int


def make_tree(folder: Path, megabytes: int) -> Tree:
    """Raises Failed when the generator is not there."""
    if not GENERATOR.is_file():
        raise Failed(f"{GENERATOR} is missing: the corpus generator belongs beside the checkout")
    say(f"making a tree of about {megabytes} MB")
    big_mb = megabytes * BIG_SHARE
    sessions = max(5, int(megabytes * (1 - BIG_SHARE) * 1e6 / BYTES_PER_SESSION))
    options = ["--sessions", str(sessions), "--big-mb", f"{big_mb:.2f}", "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, str(GENERATOR), "--out", str(folder), *options], text=True, capture_output=True
    )
    if done.returncode:
        raise Failed(f"the corpus generator failed: {done.stderr.strip()[-500:]}")
    total = json.loads((folder / "manifest.json").read_text())["totals"]["all"]
    return Tree(folder, total["bytes"], total["files"], total["records"])
