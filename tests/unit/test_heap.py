"""What is free goes back to the system, wherever it lies."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pegbox import heap

#: 100 MB in pieces, of which every hundredth stays
PROGRAM = """
import threading
from pegbox import heap

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

def take(kept):
    pieces = [bytes(2000) for _ in range(50_000)]
    kept += pieces[::100]

heap.share_arenas()
kept = []
threads = [threading.Thread(target=take, args=(kept,)) for _ in range(8)]
for thread in threads:
    thread.start()
    thread.join()
before = resident()
heap.give_back()
print(before, resident(), len(kept))
"""


@pytest.mark.skipif(heap._malloc_trim is None, reason="this C library gives back by itself, or cannot")
def test_what_is_free_between_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, after, kept = map(int, done.stdout.split())
    assert kept == 4000
    assert before > 60
    assert after < before / 2
