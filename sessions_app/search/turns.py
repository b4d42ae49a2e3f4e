"""How many searches may run at once: each may keep a core busy for as long as its deadline lets it."""

import threading
from collections import Counter


class Turns:
    """At most `of_all` at once in this process, and `of_each` of one person."""

    def __init__(self, *, of_all: int, of_each: int) -> None:
        self._of_all = of_all
        self._of_each = of_each
        self._taken: Counter[object] = Counter()
        self._lock = threading.Lock()

    def take(self, who: object) -> bool:
        """Whether there is a turn; then it has to be given back."""
        with self._lock:
            if self._taken.total() >= self._of_all or self._taken[who] >= self._of_each:
                return False
            self._taken[who] += 1
            return True

    def give_back(self, who: object) -> None:
        with self._lock:
            self._taken[who] -= 1
            self._taken += Counter()
