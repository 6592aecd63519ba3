"""A plugin of pytest: what is tested reaches no other machine. A copy of it is loaded by name where Waypost
is not installed. Python tells audit hooks of each connection before it is made (PEP 578).
"""

from __future__ import annotations

import sys
from typing import Any

_HERE = ("localhost", "127.", "::1", "::ffff:127.", "0.0.0.0")  # noqa: S104 (nothing is bound)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # else a path of this machine
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    name = host.decode(errors="replace") if isinstance(host, bytes) else str(host or "")
    if name and not name.startswith(_HERE):
        raise OSError(f"no network in tests: {name}")


sys.addaudithook(_refuse)
