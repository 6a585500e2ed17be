"""How the gateway calls operations, and how it looks keys up."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any

from pegbox.engine.context import Context
from pegbox.errors import ServiceUnavailable
from pegbox.keys import KeyRing
from pegbox.logs.base import LogStore
from pegbox.objects.base import Location, NoSuchObject, ObjectStore, Unreachable
from pegbox.operations.call import Call
from pegbox.store.base import Full, Unavailable
from pegbox.wire.registry import Handler
from pegbox.wire.sigv4 import Caller, Key

UNAVAILABLE = "The database does not answer. Please try your request again."
FULL = "The disk of the database is full. Make room, then try your request again."


@dataclass(frozen=True, slots=True)
class Invocation:
    """Calls operations, and looks keys up; trouble with the database is no fault of the request's."""

    context: Context
    keys: KeyRing
    logs: LogStore

    def find_key(self, identity: str) -> Key | None:
        """The access key with this id.  Raises ServiceUnavailable."""
        try:
            return self.keys.find(identity)
        except Unavailable as error:
            raise self._unavailable(error) from error

    def invoke(self, handler: Handler, arguments: dict[str, Any], caller: Caller, request_id: str) -> Any:
        """What an operation answers to a caller.  Raises ServiceUnavailable, and what the operation raises."""
        try:
            return handler(arguments, self._call(caller, request_id))
        except Unavailable as error:
            raise self._unavailable(error) from error

    def _call(self, caller: Caller, request_id: str) -> Call:
        context, settings = self.context, self.context.settings
        return Call(
            request_id=request_id,
            account=caller.account,
            region=caller.region,
            key_id=caller.key_id,
            store=context.store,
            clock=context.clock,
            seed=lambda: secrets.randbits(31),
            find_image=context.find_image,
            poke=context.poke,
            most_at_once=settings.parallel_training_jobs,
            most_tuning_jobs=settings.tuning_jobs,
            most_tuning_days=settings.tuning_days,
            most_warm_start_changes=settings.warm_start_changes,
            hyperband_model=settings.hyperband_model,
            one_contains=settings.one_contains,
            is_there=_Presence(context.objects, caller.account),
            has_bucket=partial(self._has_bucket, caller.account),
            logs=self.logs,
        )

    def _has_bucket(self, account: str, name: str) -> bool | None:
        if self.context.settings.s3_endpoint:
            return None
        try:
            self.context.objects.check(account, Location("s3", name, ""))
        except NoSuchObject:
            return False
        except Unreachable:
            return None
        return True

    def _unavailable(self, error: Unavailable) -> ServiceUnavailable:
        """What a client is told about a database that does not answer; the log hears of it too."""
        self.context.database.met(error)
        return ServiceUnavailable(FULL if isinstance(error, Full) else UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class _Presence:
    """Looks into the buckets of an account."""

    objects: ObjectStore
    account: str

    def __call__(self, location: Location, *, as_prefix: bool) -> bool:
        try:
            first = next(iter(self.objects.list(self.account, location)), None)  # the name itself comes before longer
        except NoSuchObject:
            return False
        return first is not None and (as_prefix or first.key == location.key)
