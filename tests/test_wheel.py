"""The wheel as somebody gets it who has neither the checkout nor Node."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

import dev
from tests import launching
from tests.browser import running

PACKAGED = "dashboard/_packaged"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built by the locked back end, with nothing on PATH and nothing downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run(
        [*command, "--wheel-dir", str(folder), str(dev.ROOT)],
        env=os.environ | {"PATH": str(folder)},
        check=True,
        capture_output=True,
    )
    return next(folder.glob("scrollback-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it; the packages it needs are borrowed from this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        text=True,
        capture_output=True,
    )
    borrowed = Path(place.stdout.strip()) / "borrowed.pth"
    # A .pth file is read for this one folder only: the editable install's own .pth in it is not followed.
    borrowed.write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.mark.once
def test_the_wheel_holds_every_template_and_static_file(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "static"):
        files = [path for path in (dev.ROOT / folder).rglob("*") if path.is_file()]
        assert files
        outside = [f"{PACKAGED}/{path.relative_to(dev.ROOT)}" for path in files]
        assert sorted(set(outside) - inside) == []
    assert f"{PACKAGED}/static/vendor/xterm/xterm.js" in inside


@pytest.mark.once
def test_the_wheel_holds_the_program_and_not_its_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dashboard", "sessions_app", "audit"}
    assert "dashboard/demo_data/SOURCES.md" in names
    assert [name for name in names if name.endswith((".pyc", ".map")) or "node_modules" in name] == []


@pytest.mark.once
def test_the_installed_program_runs_and_is_not_the_checkout(environment: Path, tmp_path: Path) -> None:
    def output(*command: str) -> str:
        without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        program = [str(environment / "bin" / command[0]), *command[1:]]
        return subprocess.check_output(program, cwd=tmp_path, env=without, text=True)

    version = tomllib.loads((dev.ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert output("scrollback", "--version") == f"scrollback {version}\n"
    assert output("python", "-c", "import dashboard; print(dashboard.__file__)").startswith(str(environment))


def test_the_wheel_serves_its_pages_and_assets_where_there_is_no_node(
    environment: Path, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "SCROLLBACK", environment / "bin" / "scrollback")
    monkeypatch.setattr(launching, "forks", False)
    monkeypatch.setenv("PATH", str(environment / "bin"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    with running.Server(home, empty_database_url, secret_key="k" * 50) as server:
        with urllib.request.urlopen(f"{server.url}/sign-in/", timeout=10) as page:  # noqa: S310 (http, on loopback)
            assert "<title>" in page.read().decode()
        # What the server put in its own place under the hashed names, it also has to answer with.
        hashed = json.loads((home / "cache/static/staticfiles.json").read_text())["paths"]
        for name in ("vendor/xterm/xterm.js", "vendor/uplot/uplot.css", "vendor/fonts/inter-latin.woff2"):
            url = f"{server.url}/static/{hashed[name]}"
            with urllib.request.urlopen(url, timeout=10) as asset:  # noqa: S310
                assert asset.read() == (dev.ROOT / "static" / name).read_bytes()
