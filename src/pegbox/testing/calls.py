"""A call of an operation without a server around it."""

from __future__ import annotations

import time

from pegbox.operations.call import Call
from pegbox.store.sql import SqlStore


def call_in(store: SqlStore, account: str, region: str) -> Call:
    """By somebody of this account in this region; there are no images, and nobody is poked."""
    return Call(
        request_id="",
        account=account,
        region=region,
        key_id="",
        store=store,
        clock=time.time,
        seed=lambda: 1,
        find_image=lambda name: None,
        poke=lambda identities: None,
        most_tuning_jobs=10,
        most_warm_start_changes=10,
    )
