"""The settings: where they are read from, and that each of them is explained."""

import re
from pathlib import Path

import pytest

from dashboard.lib import config
from dashboard.lib.config import ConfigError, load_config

ROOT = Path(__file__).parents[3]


def test_every_setting_is_explained(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    source = Path(config.__file__).read_text()

    variables = set(re.findall(r'"(SCROLLBACK_[A-Z_]+)"', source))
    assert "SCROLLBACK_SEAL_AFTER_HOURS" in variables
    assert {name for name in variables if f"`{name}`" not in page} == set()
    settings = load_config({"SCROLLBACK_HOME": str(tmp_path)}).settings
    assert len(settings) > 8
    assert {setting.name for setting in settings if f"`{setting.name}`" not in page} == set()


def test_the_environment_wins_over_the_file_and_the_file_over_what_is_usual(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[serve]\nport = 9000\nhost = '::1'\n")
    environment = {"SCROLLBACK_HOME": str(tmp_path), "SCROLLBACK_PORT": "9001"}

    found = load_config(environment)

    assert (found.port, found.host, found.seal_after_hours) == (9001, "::1", config.DEFAULT_SEAL_AFTER_HOURS)


def test_several_values_are_a_list_in_the_file_and_stand_with_commas_in_the_environment(
    tmp_path: Path,
) -> None:
    origins = ["https://console.lan", "https://other.lan"]
    (tmp_path / "config.toml").write_text(
        f"[serve]\ntrusted_origins = {origins}\nallowed_hosts = ['a.lan', 'b.lan']\n"
    )
    home = {"SCROLLBACK_HOME": str(tmp_path)}

    assert load_config(home).trusted_origins == origins
    assert load_config(home).allowed_hosts[-2:] == ["a.lan", "b.lan"]
    named = load_config(home | {"SCROLLBACK_TRUSTED_ORIGINS": "https://third.lan, https://fourth.lan"})
    assert named.trusted_origins == ["https://third.lan", "https://fourth.lan"]


def test_a_name_for_everybody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[serve]\nallowed_hosts = ['a.lan', '*']\n")

    with pytest.raises(ConfigError, match="must name hosts"):
        load_config({"SCROLLBACK_HOME": str(tmp_path)})


def test_a_level_that_no_log_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be one of DEBUG, INFO"):
        load_config({"SCROLLBACK_HOME": str(tmp_path), "SCROLLBACK_LOG_LEVEL": "loud"})


def test_a_settings_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe[serve]")

    with pytest.raises(ConfigError, match=r"config\.toml cannot be read"):
        load_config({"SCROLLBACK_HOME": str(tmp_path)})
