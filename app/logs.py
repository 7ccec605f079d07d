"""How the process writes its log: one line of JSON each, or for people at a terminal."""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]


def configure_logs(kind: LogFormat, level: LogLevel, stream: TextIO = sys.stderr) -> None:
    """Send everything that this process logs to one stream in one format; auto: text on a terminal, else JSON."""
    is_text = kind == "text" or (kind == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=_common(), processors=_text() if is_text else _json()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        ExtraAdder(),
        _without_colours,
    ]


def _json() -> list[Processor]:
    return [
        ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]


def _text() -> list[Processor]:
    return [ProcessorFormatter.remove_processors_meta, structlog.dev.ConsoleRenderer()]


def _without_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what uvicorn adds for terminals: its message once more."""
    event.pop("color_message", None)
    return event
