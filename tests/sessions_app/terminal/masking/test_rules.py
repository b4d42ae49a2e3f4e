"""The small language of rules, and the settings that use it."""

from pathlib import Path

import pytest

from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.known import KnownValue, is_secret_name, values_of_environment
from sessions_app.terminal.masking.policy import PolicyError, load_key, read_policy, read_settings_file
from sessions_app.terminal.masking.rules import RuleError, parse_rule
from tests.sessions_app.terminal.masking.secrets import masked

# Nothing here reaches a database.
pytestmark = pytest.mark.once


def test_there_are_about_forty_kinds_each_with_its_own_prefixes() -> None:
    prefixes = [prefix for rule in RULES for prefix in rule.prefixes]
    assert len({rule.name for rule in RULES}) >= 35
    assert len(prefixes) == len(set(prefixes))


@pytest.mark.parametrize(
    ("pattern", "text", "shown"),
    [
        ("acme_[a-z0-9]{8}", b"x acme_ab12cd34 y", b"x acme_******** y"),
        ("acme_[a-z0-9]{8,}", b"acme_ab12cd34ef56!", b"acme_[1e979249]**!"),
        (r"acme\.[A-Z]{4}-[0-9]+", b"acme.WXYZ-123 ", b"acme.******** "),
        ("password: (.)", None, None),
        ("password:[ ]*([!-~]{6,40})", b"password:  s3cr3t! ok", b"password:  ******* ok"),
        ("Pin:([0-9]{4});", b"Pin:1234; Pin:5678,", b"Pin:****; Pin:5678,"),
    ],
)
def test_a_pattern_of_ones_own(pattern: str, text: bytes | None, shown: bytes | None) -> None:
    if text is None:
        with pytest.raises(RuleError, match="not possible"):
            parse_rule("own", pattern)
        return
    detector = Detector([parse_rule("a-name-too-long-for-the-mark", pattern)], key=b"")
    result, _ = masked(text, detector=detector)
    assert result == shown


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("ab[0-9]{9}", "does not begin with 3 literal characters"),
        ("[a-z]{3}x", "does not begin with 3 literal characters"),
        ("acme_", "masks nothing"),
        ("acme_[0-9]*", "masks nothing"),
        ("acme_[0-9", "has no end"),
        ("acme_[z-a]{4}", "cannot be read"),
        ("acme_([0-9]{4}", "half of one"),
        ("acme_(a{4})(b{4})", "more than one pair"),
        ("acme_.{4}", "not possible"),
        ("acme_(a|b){4}", "not possible"),
        ("acme_[0-9]{9,4}", "smaller number"),
        ("acme_[0-9]{99999}", "smaller number"),
        ("acmé_[0-9]{4}", "printable ASCII"),
    ],
)
def test_a_bad_pattern_says_why(pattern: str, why: str) -> None:
    with pytest.raises(RuleError, match=why):
        parse_rule("own", pattern)


def test_settings_come_from_file_and_environment() -> None:
    file = {"secrets": {"mask": True, "without": ["jwt"], "patterns": {"acme": "acme_[a-z]{8}"}}}
    policy = read_policy(file, "config.toml", {"SCROLLBACK_MASK": "no"})
    names = {rule.name for rule in policy.rules}
    assert (policy.is_on, policy.reads_environment) == (False, True)
    assert "acme" in names
    assert "jwt" not in names
    assert ("secrets.mask", "no", "environment (SCROLLBACK_MASK)") in policy.settings
    assert ("secrets.patterns", "acme", "config.toml") in policy.settings
    named = read_policy({}, "", {"SCROLLBACK_MASK_PATTERNS": "one=one_[a-z]{9}\ntwo=two_[=]{9}"})
    assert {"one", "two"} <= {rule.name for rule in named.rules}


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"mask": "perhaps"}, "secrets.mask must be true or false"),
        ({"masks": True}, "secrets.masks is no setting"),
        ({"without": "jwt,nothing"}, "no rule 'nothing'"),
        ({"without": 3}, "must be a list"),
        ({"patterns": ["x"]}, "must be a table"),
        ({"patterns": {"acme": "(a|b)"}}, "secrets.patterns.acme: .* not possible"),
        ({"patterns": {"Acme Corp": "acme_[a-z]{9}"}}, "no name for a rule"),
        ("on", "must be a section"),
    ],
)
def test_a_bad_setting_is_named(section: object, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        read_policy({"secrets": section}, "config.toml", {})


def test_the_settings_file_is_the_servers(tmp_path: Path) -> None:
    assert read_settings_file(tmp_path, {}) == ({}, "")
    (tmp_path / "config.toml").write_text("[secrets]\nmask = false\n")
    assert read_settings_file(tmp_path, {})[0] == {"secrets": {"mask": False}}
    with pytest.raises(PolicyError, match="does not exist"):
        read_settings_file(tmp_path, {"SCROLLBACK_CONFIG": str(tmp_path / "other.toml")})
    (tmp_path / "config.toml").write_text("[secrets\n")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_settings_file(tmp_path, {})


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = load_key(tmp_path / "home")
    assert len(key) == 32
    assert load_key(tmp_path / "home") == key
    assert (tmp_path / "home" / "mask.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["mask.key"]
    (tmp_path / "file").touch()
    assert load_key(tmp_path / "file") != load_key(tmp_path / "file"), "it cannot be kept"


@pytest.mark.parametrize(
    "name",
    ["GITHUB_TOKEN", "OPENAI_API_KEY", "DB_PASSWORD", "PGPASSWORD_2", "AWS_SECRET_ACCESS_KEY", "NPM_AUTH", "MY_SECRET",
     "SECRET_KEY_BASE", "STRIPE_API_KEY_LIVE", "CREDENTIALS"],
)  # fmt: skip
def test_names_that_hold_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["PWD", "OLDPWD", "PATH", "SSH_AUTH_SOCK", "AWS_ACCESS_KEY_ID", "TOKEN_FILE", "GOOGLE_CREDENTIALS_PATH", "KEYBOARD",
     "MONKEY_ISLAND", "GPG_TTY", "SECRETARY", "TOKENIZERS_PARALLELISM", "KEYMAP", "GIT_ASKPASS"],
)  # fmt: skip
def test_names_that_hold_none(name: str) -> None:
    assert not is_secret_name(name)


def test_values_come_from_variables_named_like_secrets() -> None:
    found = values_of_environment(
        {
            "API_TOKEN": "abcd1234efgh",
            "OTHER_TOKEN": "short",
            "PLAIN_TOKEN": "00000000000",
            "KEY_PATH": "whatever it is",
            "SIGNING_KEY": "/etc/keys/signing.pem",
            "DATABASE_URL": "postgres://ada:hunter2hunter2@db/main",
            "HOME": "/home/somebody",
        }
    )
    assert {one.name: one.value for one in found} == {
        "API_TOKEN": "abcd1234efgh",
        "DATABASE_URL": "hunter2hunter2",
    }
    assert "abcd1234efgh" not in repr(found)


def test_a_value_of_several_lines_is_known_by_each_of_them() -> None:
    value = "first line of the secret\nsecond line of the secret\n"
    detector = Detector([], [KnownValue("NOTE", value)], key=b"")
    shown = (
        b"cat:\r\nfirst line of the secret\r\nsecond line of the secret\r\n... second line of the secret\r\n"
    )
    result, counts = masked(shown, detector=detector)
    assert b"line of the secret" not in result
    assert sum(counts.values()) >= 2
