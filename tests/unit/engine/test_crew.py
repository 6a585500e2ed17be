from __future__ import annotations

import threading

from pegbox.engine.crew import Crew
from running import wait_for


def test_work_is_done_in_the_order_in_which_it_was_put_and_all_of_it_before_the_end() -> None:
    crew, done = Crew("one", 1), list[int]()
    for number in range(50):
        crew.put(lambda number=number: done.append(number))
    crew.close()
    crew.start()
    wait_for("the end", lambda: len(done) == 50)
    assert done == list(range(50))


def test_all_threads_work_at_once_and_end() -> None:
    crew, together = Crew("three", 3), threading.Barrier(4)
    crew.start()
    for _ in range(3):
        crew.put(together.wait)
    together.wait(30)
    crew.close()
    wait_for("the end", lambda: not [each for each in threading.enumerate() if each.name.startswith("three_")])
