"""python bare_relay.py CMD…: a recorder that records nothing, and so the least that any must cost: a second terminal.

It copies what the program shows, in this language and in blocks of the same size. Nothing can be typed.
"""

import os
import sys
import tty

BLOCK_BYTES = 16_384


def main() -> int:
    tty.setraw(1)
    program, terminal = os.forkpty()
    if program == 0:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  no shell is wanted
    while True:
        try:
            block = os.read(terminal, BLOCK_BYTES)
        except OSError:
            # Nobody has the other side open any more.
            break
        while block:
            block = block[os.write(1, block) :]
    return os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
