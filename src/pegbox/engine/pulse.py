"""The life of this home beside others: it beats in the database, and looks for those that do not."""

from __future__ import annotations

import threading
import time

import structlog

from pegbox.engine import homes, owners
from pegbox.engine.clock import ClockWatch
from pegbox.engine.context import Context
from pegbox.store.base import Unavailable

STEP = 5.0  #: seconds by which clocks may differ that go at one rate
TIDY_SECONDS = 5.0  #: until what was stopped is looked at again
LONGEST_PAUSE = 60.0  #: seconds

log = structlog.get_logger()


class Pulse:
    """The beats of this home, and what it knows of others.

    `pause`: seconds until a database that does not answer is asked again.
    """

    def __init__(self, context: Context, stopping: threading.Event, pause: float) -> None:
        self._context, self._stopping, self._pause = context, stopping, pause
        self._clock = ClockWatch()
        self._beaten = float("-inf")  # monotonic
        self.held_until = float("-inf")  #: monotonic; before, nothing is to be claimed
        self.near: frozenset[str] = frozenset()  #: silent homes whose training jobs are gone on with here

    def begin(self) -> None:
        """The first beat."""
        self._read_clock()
        self._context.store.pull_in(self._context.settings.lease)
        self._inherit()
        self.look_around(since=None)

    def beat(self) -> float | None:
        """Say that this home is alive; returns how long ago any of its servers said it before.

        If we said it too long ago, this server was paused or the database away, or its clock was stepped.  Then other
        homes look silent that are not: they get the time to beat as well before anything is claimed.
        """
        settings, before = self._context.settings, self._beaten
        since, stepped = self._read_clock()
        passed = self._beaten - before
        if abs(stepped) > STEP or passed > settings.silence / 2:
            self.held_until = time.monotonic() + settings.lease / 2
            log.warning(
                "this server was paused, or the database away, or its clock stepped",
                silent=round(passed),
                stepped=round(stepped),
            )
        if stepped < -STEP:
            self._context.store.pull_in(settings.lease)
        return since

    def _read_clock(self) -> tuple[float | None, float]:
        """Beat; the seconds since the home's last beat, and those by which the database's clock was stepped since ours.

        Another server of the home beats as well: only our own readings tell how much time has passed.
        """
        asked = time.monotonic()
        beat = self._context.store.beat(self._context.host)
        self._beaten = asked
        return beat.since, self._clock.step(asked, time.monotonic(), beat.at)

    def _inherit(self) -> None:
        """Take over at once from servers of this home that have died; those elsewhere are waited for."""
        for owner in self._context.store.owners():
            if owners.is_dead(owner, self._context.host, self._context.settings.home):
                log.info("taking over from a server that died", owner=owner)
                self._context.store.expire(owner)
        owners.tidy(self._context.settings.home)

    def look_around(self, since: float | None) -> None:
        """Find silent homes near us, and jobs that silent ones have not begun.

        After a silence of our own, end what others have given up meanwhile.
        """
        homes.give_back(self._context)
        near = homes.near(self._context)
        if new := near - self.near:
            log.warning("the servers of a home are gone: its training jobs are gone on with here", homes=sorted(new))
        self.near = near
        if since is None or since > self._context.settings.silence:
            threading.Thread(target=self._tidy, name="engine-tidy", daemon=True).start()

    def _tidy(self) -> None:
        """Until all is done: what is left out now would run on beside its successor for this server's life."""
        while not self._stopping.is_set():
            pause = TIDY_SECONDS
            try:
                if homes.tidy(self._context):
                    return
            except Unavailable as error:
                self._context.database.met(error)
                pause = self._pause
            except Exception:
                log.exception("attempts could not be looked through")
                pause = LONGEST_PAUSE
            self._stopping.wait(pause)
