"""From a port to the end of the process: uvicorn, and what a signal means to a server that still has work."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from app.engine import Engine
from app.settings import Settings
from pose_core.errors import PoseError

logger = logging.getLogger("skelmap")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

EXIT_NOW: Final = 70
"""Exit code after a second signal: requests were cut off."""


class Server(uvicorn.Server):
    """Ends with exit code 0 once its work is done, and by itself when only another process can help.

    On SIGTERM /readyz says 503 while everything is still served, for as long as whoever sends requests needs to notice.
    Then nothing more is accepted, and what is in work is finished. Ctrl-C skips the wait. A second signal ends the
    process at once.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, settings: Settings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._ending = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals instead of uvicorn, which would raise them once more in the end."""
        loop = asyncio.get_running_loop()
        for each in SIGNALS:
            loop.add_signal_handler(each, self._signalled, each)
        try:
            yield
        finally:
            for each in SIGNALS:
                loop.remove_signal_handler(each)

    def _signalled(self, number: signal.Signals) -> None:
        if self._ending:
            logger.warning("a second %s: ending now", number.name)
            os._exit(EXIT_NOW)
        self._ending = True
        if not self.started:
            os._exit(0)
        delay_s = self._settings.drain_delay_s if number == signal.SIGTERM else 0.0
        self._engine.readiness.report("server", "the server is shutting down")
        asyncio.get_running_loop().call_later(delay_s, self._stop_accepting)

    def _stop_accepting(self) -> None:
        self._engine.admission.draining = True
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True ends the server."""
        if self._engine.readiness.fatal:
            self._stop_accepting()
        return await super().on_tick(counter)

    @property
    def _engine(self) -> Engine:
        engine: Engine = self._app.state.engine
        return engine


def serve(app: FastAPI, settings: Settings, host: str, port: int) -> None:
    """Listen until a signal, or until only another process can help.

    Raises:
        PoseError: what only another process can get over.
        SystemExit: the port cannot be listened on.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        server_header=False,
        ws="none",
        log_config=None,  # the log is ours; uvicorn's own lines about requests would hold paths and queries
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
    Server(config, app, settings).run()
    fatal: PoseError | None = app.state.engine.readiness.fatal
    if fatal:
        raise fatal
