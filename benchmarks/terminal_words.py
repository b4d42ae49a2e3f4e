"""What generated output is made of."""

UNITS = (
    "systemd", "kernel", "sshd", "cron", "dockerd", "nginx", "postgres", "NetworkManager", "containerd", "dpkg",
    "rsyslogd", "dbus-daemon", "polkitd", "chronyd", "auditd", "scrollback",
)  # fmt: skip
MODULES = (
    "src/parser/tokens.cc", "src/parser/tree.cc", "lib/queue.h", "lib/network/retry.py", "web/session-list.js",
    "tests/test_dates.py", "docs/overview.md", "Makefile", "src/render/übersicht.rs", "src/render/画面.ts",
)  # fmt: skip
#: Colours out of the 256.
PALETTE = (1, 2, 3, 4, 5, 6, 9, 12, 33, 39, 75, 114, 141, 173, 208, 244)
TEXTS = (
    "started", "stopped", "failed", "accepted", "connection", "from", "port", "timeout", "after", "request", "GET",
    "/api/v1/terminals", "200", "404", "500", "in", "ms", "bytes", "written", "to", "disk", "cache", "miss", "hit",
    "retry", "attempt", "worker", "queue", "length", "is", "now", "user", "ada", "session", "opened", "closed", "by",
    "unit", "entered", "state", "dead", "active", "running", "mounted", "/var/lib/data", "checksum", "mismatch", "ok",
    "warning:", "deprecated", "function", "return", "value", "const", "auto", "template", "<typename", "T>", "static",
    "assert", "expected", "found", "at", "line", "column", "note:", "candidate", "the", "parser", "of", "dates", "was",
    "read", "and", "then", "edited", "Let", "me", "look", "into", "this", "file", "first", "because", "test", "passes",
    "0x7ffd3a10", "f3a91c2e", "größer", "naïve", "—", "→", "日本語", "✓", "…",
)  # fmt: skip
