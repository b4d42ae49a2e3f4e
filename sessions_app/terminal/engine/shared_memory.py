"""Memory that a process and its child share, in which a request of some megabytes goes over in one piece.

Through a socket it goes in twenty or more, each of which has to wake the other side. Only Linux has such memory without
a name that somebody would have to remove; elsewhere requests go through the socket.
"""

import errno
import fcntl
import mmap
import os
import sys
from collections.abc import Sequence
from typing import Final, Self

#: As much as is derived at once, with what is said of it.
SIZE: Final = 9 << 20
#: In place of the descriptor, where there is no such memory.
NONE: Final = -1
# That no program can be run from it, which kernels from 6.3 on want said.
_MFD_NOEXEC_SEAL: Final = 8


class SharedMemory:
    """One request at a time: the next may be put in once the answer to the last one has come."""

    def __init__(self, memory: mmap.mmap | None) -> None:
        self._memory = memory

    @classmethod
    def make(cls) -> tuple[Self, int]:
        """For the parent, with the descriptor that a child opens it by, which is the caller's to close."""
        if sys.platform != "linux":
            return cls(None), NONE
        try:
            descriptor = _nameless()
        except (OSError, AttributeError):
            # Whoever rules this machine may not want it, or Python was built for a libc that has none; or there are no
            # descriptors left, which others will tell.
            return cls(None), NONE
        try:
            os.ftruncate(descriptor, SIZE)
            # A child that hostile output took over could else take it away below its parent's hands.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            return cls(mmap.mmap(descriptor, SIZE)), descriptor
        except (OSError, AttributeError):
            os.close(descriptor)
            return cls(None), NONE

    @classmethod
    def open(cls, descriptor: int) -> Self:
        """For the child, which has no more use for the descriptor."""
        if descriptor == NONE:
            return cls(None)
        try:
            return cls(mmap.mmap(descriptor, SIZE, prot=mmap.PROT_READ))
        finally:
            os.close(descriptor)

    def put(self, parts: Sequence[bytes], length: int) -> bool:
        """Write `length` bytes, those of all parts; False, and nothing done, where they do not fit."""
        memory = self._memory
        if memory is None or length > SIZE:
            return False
        position = 0
        for part in parts:
            end = position + len(part)
            memory[position:end] = part
            position = end
        return True

    def take(self, length: int) -> bytes:
        """A copy of the first bytes."""
        if self._memory is None or length > SIZE:
            raise ValueError(f"{length} bytes are not there")
        return self._memory[:length]

    def close(self) -> None:
        """Give it back."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()


def _nameless() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("requests", flags | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create("requests", flags)
