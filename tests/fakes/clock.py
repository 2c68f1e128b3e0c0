"""A clock that stands still until it is told to go on."""

import time


class ManualClock:
    """Call it for the time; add to `now` to let time pass. The unit is its user's."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class SlowClock(ManualClock):
    """Takes a millisecond to look at, in which other threads run: what needs a lock shows."""

    def __call__(self) -> int:
        time.sleep(0.001)
        return self.now
