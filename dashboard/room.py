"""How much room the disk of the data directory has, and what that means."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

type Verdict = Literal["ok", "warn", "fail"]

LITTLE_SPACE: Final = 2_000_000_000
NO_SPACE: Final = 200_000_000


@dataclass(frozen=True)
class Room:
    """`free` in bytes, at the folder `where`: the data directory, or what there is of its path."""

    free: int
    where: Path

    @property
    def verdict(self) -> Verdict:
        if self.free < NO_SPACE:
            return "fail"
        return "warn" if self.free < LITTLE_SPACE else "ok"


def room_of(home: Path) -> Room:
    """Raises OSError where the disk does not say."""
    where = next((place for place in (home, *home.parents) if place.is_dir()), Path("/"))
    return Room(shutil.disk_usage(where).free, where)
