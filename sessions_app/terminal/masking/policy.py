"""Whether secrets are masked, and which: the section [secrets] of the settings file and the environment."""

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.known import KnownValue
from sessions_app.terminal.masking.rules import Rule, RuleError, parse_rule

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_KEYS = frozenset({"mask", "environment", "without", "patterns"})
_KEY_BYTES = 32


class PolicyError(ValueError):
    """A setting is wrong; the message names it and says what it may be."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`is_on`: mask at all. `reads_environment`: the recorder masks the values of variables such as API_TOKEN."""

    is_on: bool
    reads_environment: bool
    rules: tuple[Rule, ...]
    #: (setting, value, where it stands) for whoever wants to know what is in force.
    settings: tuple[tuple[str, str, str], ...] = ()

    def detector(self, home: Path, known: Iterable[KnownValue] = ()) -> Detector:
        """What to mask with, tagged by the key of the data directory."""
        return Detector(self.rules, known, key=load_key(home))


def read_policy(file: Mapping[str, Any], file_name: str, environment: Mapping[str, str]) -> Policy:
    """From a settings file and the environment, which wins. Raises PolicyError."""
    section = file.get("secrets", {})
    if not isinstance(section, Mapping):
        raise PolicyError("secrets must be a section of the settings file, such as [secrets].")
    unknown = sorted(set(section) - _KEYS)
    if unknown:
        raise PolicyError(f"secrets.{unknown[0]} is no setting; there are {', '.join(sorted(_KEYS))}.")
    reader = _Reader(section, file_name, environment)
    is_on = reader.flag("SCROLLBACK_MASK", "mask")
    reads_environment = reader.flag("SCROLLBACK_MASK_ENVIRONMENT", "environment")
    without = reader.names("SCROLLBACK_MASK_WITHOUT", "without")
    patterns = reader.patterns("SCROLLBACK_MASK_PATTERNS", "patterns")
    own = tuple(_own_rule(name, text) for name, text in patterns.items())
    known = {rule.name for rule in RULES}
    for name in without:
        if name not in known:
            raise PolicyError(
                f"secrets.without: there is no rule {name!r}; there are {', '.join(sorted(known))}."
            )
    rules = (*(rule for rule in RULES if rule.name not in without), *own)
    return Policy(is_on, reads_environment, rules, tuple(reader.settings))


def read_settings_file(home: Path, environment: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """The settings file that SCROLLBACK_CONFIG names, else config.toml in the data directory, as the server
    reads it. Raises PolicyError for one that cannot be read."""
    named = environment.get("SCROLLBACK_CONFIG")
    path = Path(named).expanduser() if named else home / "config.toml"
    if not named and not path.exists():
        return {}, ""
    # Imported here: most recorders have no such file, and should start at once.
    import tomllib

    try:
        with path.open("rb") as handle:
            return tomllib.load(handle), str(path)
    except FileNotFoundError:
        raise PolicyError(f"SCROLLBACK_CONFIG names {path}, which does not exist.") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"The settings file {path} cannot be read: {error}") from error


def load_key(home: Path) -> bytes:
    """The key of the tags: made once in the data directory, for its owner only. Where it cannot be kept,
    tags are worth nothing beyond this process."""
    path = home / "mask.key"
    try:
        if not path.exists():
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            unfinished = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as handle:
                handle.write(secrets.token_hex(_KEY_BYTES) + "\n")
            try:
                # Of several that start together, the first stays.
                os.link(unfinished, path)
            except FileExistsError:
                pass
            finally:
                unfinished.unlink()
        return bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError):
        return secrets.token_bytes(_KEY_BYTES)


def _own_rule(name: str, text: str) -> Rule:
    try:
        return parse_rule(name, text)
    except RuleError as error:
        raise PolicyError(f"secrets.patterns.{name}: {error}.") from None


class _Reader:
    """Looks settings up in environment, section and default, and notes where they were found."""

    def __init__(self, section: Mapping[str, Any], file_name: str, environment: Mapping[str, str]) -> None:
        self._section = section
        self._file_name = file_name
        self._environment = environment
        self.settings: list[tuple[str, str, str]] = []

    def flag(self, variable: str, key: str) -> bool:
        """True where nothing is said."""
        value = self._find(variable, key, True)
        found = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if found is None:
            raise PolicyError(f"secrets.{key} must be true or false, not {value!r}.")
        return found

    def names(self, variable: str, key: str) -> list[str]:
        value = self._find(variable, key, [])
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise PolicyError(f'secrets.{key} must be a list of names such as ["jwt"], not {value!r}.')
        return value

    def patterns(self, variable: str, key: str) -> dict[str, str]:
        value = self._find(variable, key, {})
        if isinstance(value, str):
            lines = [line.strip() for line in value.splitlines() if line.strip()]
            if not all("=" in line for line in lines):
                raise PolicyError(f"{variable} holds one name=pattern on each line, not {value!r}.")
            return {name.strip(): text.strip() for name, _, text in (line.partition("=") for line in lines)}
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            raise PolicyError(f"secrets.{key} must be a table of name = 'pattern', not {value!r}.")
        return dict(value)

    def _find(self, variable: str, key: str, default: Any) -> Any:
        value, origin = default, "default"
        if key in self._section:
            value, origin = self._section[key], self._file_name
        if self._environment.get(variable):
            value, origin = self._environment[variable], f"environment ({variable})"
        self.settings.append((f"secrets.{key}", _shown(value), origin))
        return value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(map(str, value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
