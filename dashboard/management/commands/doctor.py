"""scrollback doctor --json"""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, ClassVar, Final

from django.conf import settings

from dashboard.doctor import Doctor, Finding
from dashboard.lib.commands import ConsoleCommand
from dashboard.room import Verdict
from dashboard.shell_text import plain

_GLYPHS: Final[dict[Verdict, tuple[str, str]]] = {
    "ok": ("✓", "32"),
    "warn": ("!", "33"),
    "fail": ("✗", "31"),
}
EXIT_FAILED = 1


class Command(ConsoleCommand):
    help = "Say which settings are in force and from where, and how the installation stands. 1 when something fails."
    example: ClassVar[str] = "scrollback doctor --json"
    requires_schema: ClassVar[bool] = False
    requires_database: ClassVar[bool] = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        findings = list(Doctor(settings.CONFIG).findings())
        failed = any(finding.verdict == "fail" for finding in findings)
        if options["json"]:
            known = [asdict(setting) for setting in settings.CONFIG.settings]
            checks = [asdict(finding) for finding in findings]
            self.print_json({"ok": not failed, "settings": known, "checks": checks})
        else:
            self._print(findings)
        return EXIT_FAILED if failed else 0

    def _print(self, findings: list[Finding]) -> None:
        self.stdout.write("Settings")
        for setting in settings.CONFIG.settings:
            value = plain(setting.value) or "(empty)"
            self.stdout.write(f"  {setting.name:<28}{value:<52}  {plain(setting.origin)}")
        self.stdout.write("\nChecks")
        for finding in findings:
            glyph, colour = _GLYPHS[finding.verdict]
            mark = f"{glyph} {finding.verdict:<4}"
            if self.stdout.isatty():
                mark = f"\x1b[{colour}m{mark}\x1b[0m"
            self.stdout.write(f"  {mark}  {finding.name:<18}{plain(finding.text)}")
            if finding.remedy:
                self.stdout.write(f"{'':<10}{'':<18}→ {plain(finding.remedy)}")
