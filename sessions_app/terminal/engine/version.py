"""Which engine derives on this machine, found without loading it: reading its declarations takes a quarter of a second.

Only the engine's own processes load it.
"""

import ctypes
import os
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

#: Version of all that is written with the engine: raise it with whatever changes a keyframe, where one is made
#: (Spacing), which lines are listed and where (text.py, deriver.py), or what the library is given (ghostty.py,
#: widths.py, links.py). What another one wrote is made again by `terminals rebuild`, and browsers ask for it anew.
WRITER = 8


def _native_engine() -> str:
    try:
        spec = find_spec("pyghostty")
    except ValueError:
        return ""
    if spec is None or spec.origin is None:
        return ""
    named = os.environ.get("PYGHOSTTY_LIB")
    libraries = [Path(named)] if named else list(Path(spec.origin).parent.glob("_lib/libghostty-vt.*"))
    try:
        for library in libraries:
            # One that was built for another system is there and of no use.
            ctypes.CDLL(str(library))
        return f"ghostty-{version('pyghostty')}/{WRITER}" if libraries else ""
    except (OSError, PackageNotFoundError):
        return ""


#: The engine with its versions; empty where there is none. What another one derived can be made again.
ENGINE = _native_engine()
