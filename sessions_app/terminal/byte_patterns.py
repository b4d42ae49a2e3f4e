"""Patterns over bytes that are looked for by RE2, which never goes back and takes about a nanosecond for each."""

from typing import Any, Final

try:
    import re2  # type: ignore[import-untyped]  # a wheel without types
except ImportError:
    re2 = None

HAS_RE2: Final = re2 is not None


class PatternError(ValueError):
    """RE2 takes no such pattern, or has no room for it."""


def compile_pattern(pattern: bytes, max_memory: int) -> Any:
    """A pattern without groups that are kept; it may remember so many bytes. Raises PatternError."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.max_mem = max_memory
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise PatternError(str(error)) from error
    finally:
        # Its cache would keep what nobody needs any more.
        re2.purge()
