"""The server's own log: one line an event, its name and its fields, on standard error.

Fields that are bound to the context (request_id, account, job ...) are on every line of what is done meanwhile.  What
libraries have to say by the standard library's logging comes in the same form, from warnings on: below that some of
them print signatures and requests.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

FIRST = ["timestamp", "level", "event"]

#: what is no business of a log's reader, with what stands before it
SECRETS = re.compile(
    r"(?i)(?P<before>://[^\s/:@]*:)[^\s/@]+(?=@)|(?P<name>"
    r"(?:x-amz-)?signature=|x-amz-security-token[=:]\s*|awsaccesskeyid=|"
    r"authorization['\"]?[:=]\s*['\"]?(?:aws4-hmac-sha256|aws|basic|bearer)\s+|"
    r"aws_secret_access_key['\"]?\s*[=:]\s*['\"]?|password="
    r")[^\s&,'\"]+"
)
HIDDEN = "***"


def configure(level: str, form: str = "auto") -> None:
    """Log events at `level` and above as `form`: console, logfmt, json, or auto, which is console on a terminal."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    form = form if form != "auto" else "console" if sys.stderr.isatty() else "logfmt"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if form == "console" else [structlog.processors.format_exc_info]),
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, _renderer(form)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Printer(sys.stderr),
    )
    _configure_libraries(number, form, shared)
    threading.excepthook = _thread_died


class _Printer(structlog.PrintLogger):
    """Prints lines; one that cannot be written, on a full disk or to a reader that is gone, stops no work."""

    def msg(self, message: str) -> None:
        """Print a line."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Nothing logs a secret on purpose; this is for texts of errors that quote a request or an address."""
    for name, value in event.items():
        if isinstance(value, str) and ("=" in value or ":" in value):
            event[name] = SECRETS.sub(_hidden, value)
    return event


def _hidden(found: re.Match[str]) -> str:
    return f"{found['before'] or found['name']}{HIDDEN}"


def _renderer(form: str) -> Processor:
    if form == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    if form == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.processors.LogfmtRenderer(key_order=FIRST)


def _json(event: EventDict, **options: Any) -> str:
    first = {name: event[name] for name in FIRST if name in event}
    return json.dumps({**first, **event}, ensure_ascii=False, **options)


def _configure_libraries(level: int, form: str, shared: Sequence[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _named, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form)],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("pegbox").setLevel(level)
    logging.captureWarnings(True)


def _named(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event


def _thread_died(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_type is not SystemExit:
        name = fault.thread.name if fault.thread else ""
        structlog.get_logger().error("a thread died of a fault", thread=name, exc_info=fault.exc_value)
