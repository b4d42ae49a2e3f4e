"""What each sample comes to, through the whole import: the numbers that a count of its lines by hand gives too."""

import pytest

from sessions_app.models import AgentSession, Terminal
from tests.samples import sample
from tests.sessions_app.importers.importing import run_import

pytestmark = pytest.mark.django_db

# {agent, beginning of its own id: (runs, prompts, replies, tool calls, output tokens, all tokens)}
SESSIONS = {
    ("claude-code", "1af7fc5e"): (1, 2, 7, 12, 953, 116_963),
    ("claude-code", "22220000"): (2, 2, 3, 2, 15, 30),
    ("claude-code", "55550000"): (2, 1, 1, 0, 40, 160),
    ("claude-code", "5c0375b4"): (2, 1, 1, 0, 10, 110),
    ("claude-code", "c1d0a6cf"): (1, 1, 1, 0, 0, 0),
    ("claude-code", "claude-normalization-main"): (2, 3, 3, 3, 48, 1_473),
    ("claude-code", "claude-normalization-other"): (1, 1, 1, 0, 0, 0),
    ("claude-code", "fe5e1c67"): (6, 8, 170, 167, 51_933, 3_838_581),
    ("claude-code", "ff668493"): (1, 0, 0, 0, 0, 0),
    ("codex", "019c8a4d"): (1, 3, 17, 118, 14_600, 1_766_028),
    ("codex", "019c8a59"): (1, 46, 255, 365, 133_999, 33_944_484),
    ("codex", "019fbc4a"): (3, 1, 1, 3, 180, 4_380),
    ("codex", "test-session"): (1, 3, 5, 3, 0, 0),
    ("picoclaw", "sk_v1_0000"): (1, 2, 2, 1, 0, 0),
}
# {file: (bytes of output, other events, microseconds, exit status)}
TERMINALS = {
    "v1-full.json": (29, 0, 10_370_343, None),
    "v2-full.cast": (29, 2, 8_456_789, None),
    "v2-markers.cast": (26, 2, 2_000_000, None),
    "v2-termtosvg-htop.cast": (14_631, 0, 12_857_555, None),
    "v2-welcome.cast": (5_653, 1, 119_207_933, None),
    "v3-big.cast": (2_849_418, 0, 81_000, None),
    "v3-blank-lines-and-comments.cast": (33, 0, 9_481_455, None),
    "v3-broken.cast": (22, 0, 4_037_035, None),
    "v3-full.cast": (29, 2, 10_370_343, None),
    "v3-resizing.cast": (12, 3, 2_100_000, 0),
    "codex-demo.redacted.cast": (5_906, 1, 28_144_000, 0),
    "agent-tui.cast": (500_245, 4, 25_101_418, 0),
    "apt-get.cast": (7_148, 1, 15_923_362, 0),
    "bash-session.cast": (10_891, 13, 9_501_084, 0),
    "gcc-errors.cast": (283_585, 1, 4_486_572, 0),
    "git-log.cast": (507_885, 0, 169_811, None),
    "ls-color-R.cast": (525_047, 1, 252_445, 0),
    "rich-demo.cast": (29_863, 1, 397_313, 0),
    "vim-edit.cast": (67_825, 86, 10_591_369, 0),
}


def test_each_sample_comes_to_its_own_counts() -> None:
    report = run_import(sample("."))

    sessions = {
        name: (
            found.run_count,
            found.user_message_count,
            found.assistant_message_count,
            found.tool_call_count,
            found.output_tokens,
            found.total_tokens,
        )
        for found in AgentSession.objects.all()
        for name in SESSIONS
        if found.agent == name[0] and found.external_id.startswith(name[1])
    }
    assert sessions == SESSIONS
    assert AgentSession.objects.count() == len(SESSIONS)
    terminals = {
        found.source.path.rpartition("/")[2]: (
            found.size,
            found.event_count,
            found.duration_us,
            found.exit_status,
        )
        for found in Terminal.objects.select_related("source")
        if found.source is not None
    }
    assert terminals == TERMINALS
    assert report.counts.skipped_lines == 1
