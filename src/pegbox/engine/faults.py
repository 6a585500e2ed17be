"""Faults of one job, told to its owner as a FailureReason."""

from __future__ import annotations


class ClientFault(Exception):
    """The job cannot run as it was asked for: its image, its data or its outputs.  The message says what to change."""

    @property
    def reason(self) -> str:
        """The FailureReason."""
        return f"ClientError: {self}"
