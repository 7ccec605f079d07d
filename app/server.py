"""From a port to the end of the process: uvicorn, and what a signal means to a server that still has work."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from app.engine import Engine
from app.exits import EXIT_MODEL, EXIT_NOW
from app.settings import Settings
from pose_core.errors import PoseError

logger = logging.getLogger("skelmap")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

END_S: Final = 2.0
"""How long the end waits for threads; a network that is still being loaded may be done by then."""


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
            if self._ending:  # the work is done; one more signal must not make it look as if it were not
                signal.signal(signal.SIGTERM, signal.SIG_IGN)

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
        SystemExit: the end; with EXIT_MODEL where the port cannot be listened on.
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
    code = 0
    try:
        Server(config, app, settings).run()
    except SystemExit as ended:  # the port
        code = EXIT_MODEL if ended.code else 0
    fatal: PoseError | None = app.state.engine.readiness.fatal
    if left := app.state.engine.threads.left_behind(END_S):
        logger.warning("not waited for: %s", ", ".join(left))
        if fatal:
            logger.error("%s", fatal)
        logging.shutdown()
        os._exit(EXIT_MODEL if fatal else code)
    if fatal:
        raise fatal
    sys.exit(code)
