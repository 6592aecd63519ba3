"""uvicorn's server and supervisor on a socket that is bound before: its documented `run` tells no port.

Seen with uvicorn 0.51 to 0.54.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn import Config


def bound(config: Config) -> socket.socket:
    """Returns the socket that a configuration names. Raises OSError where the address is not available."""
    log = logging.getLogger("uvicorn.error")
    silenced, log.disabled = log.disabled, True  # it tells the reason there, and exits
    try:
        return config.bind_socket()
    except SystemExit as error:
        reason = f": {error.__context__.strerror}" if isinstance(error.__context__, OSError) else ""
        raise OSError(f"{config.host}:{config.port}: this address is not available{reason}") from error
    finally:
        log.disabled = silenced


class Workers:
    """Processes that answer on a socket; one that is gone is started again."""

    def __init__(self, config: Config, listening: socket.socket) -> None:
        from uvicorn.supervisors import Multiprocess

        self._supervisor = Multiprocess(config, sockets=[listening])

    def run(self) -> None:
        """Answers until SIGINT or SIGTERM."""
        self._supervisor.run()

    def kill(self) -> None:
        """Ends the processes that have not ended by themselves."""
        for worker in self._supervisor.processes:
            worker.process.kill()
