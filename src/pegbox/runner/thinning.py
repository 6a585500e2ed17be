"""Which values of a metric are kept when there are more than anybody can look at."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 16  #: values of one series that may be kept, however many series share the limit
ENDS = 8  #: of a series, kept apart for its smallest, largest and last value and for what rounding adds


#: number (the first is 1), value, epoch seconds, whether it is kept; no class, since one is made for each value
Value = tuple[int, float, float, bool]


@dataclass(slots=True)
class Series:
    """The values of one metric of one instance, of which at most `most` are kept.

    The first half of them are kept one and all.  With h for that half, the gap after value n is then (n/h)^2: as 1/n
    falls by 1/h^2 from each kept value to the next, and by 1/h in all, no more than h follow, however many are printed.
    """

    most: int
    seen: int = 0
    due: int = 1  #: the number of the next value that is kept
    lowest: Value | None = None
    highest: Value | None = None
    last: Value | None = None

    def add(self, value: float, at: float) -> bool:
        """Count a value; whether it is to be kept."""
        self.seen += 1
        is_kept = self.seen >= self.due
        if is_kept:
            self.due = self.seen + self._gap()
        self.last = found = (self.seen, value, at, is_kept)
        if self.lowest is None or value < self.lowest[1]:
            self.lowest = found
        if self.highest is None or value > self.highest[1]:
            self.highest = found
        return is_kept

    def left_out(self) -> list[Value]:
        """Of the values that were not kept, those that are to be all the same: the smallest, the largest, the last."""
        return sorted({end for end in (self.lowest, self.highest, self.last) if end and not end[-1]})

    def _gap(self) -> int:
        half = (self.most - ENDS) // 2
        return 1 if self.seen < half else -(-(self.seen * self.seen) // (half * half))
