"""The wheels of the engine, in the bundle: for a machine with only Python and uv.

tar -xf bundle-1.4.13.tar wheels
uv venv && uv pip install --no-index --find-links wheels --require-hashes -r wheels/waypost.txt
.venv/bin/waypost run bundle-1.4.13.tar
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from waypost.contracts.python_env import PythonEnv
from waypost.images.locked import core_lock
from waypost.images.wheel import engine_wheel
from waypost.runs import environments
from waypost.sources.waiting import Notify
from waypost.system.scratch import scratch

LIST = "waypost.txt"
_REQUIREMENTS = "requirements.txt"


def bring_engine(folder: Path, say: Notify) -> None:
    """Adds the engine's wheel, those of its dependencies, and a requirements file with their hashes to a
    folder. Raises WaypostError if one is not available.
    """
    say("collecting the wheels of the engine")
    lock = core_lock()
    with scratch() as temp:
        (temp / _REQUIREMENTS).write_text(lock, encoding="utf-8")
        environments.download(temp, PythonEnv(dependencies=(f"-r {_REQUIREMENTS}",)), folder)
    name, content = engine_wheel()
    (folder / name).write_bytes(content)
    package, version = name.split("-")[:2]
    line = f"{package}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    (folder / LIST).write_text(lock.rstrip("\n") + f"\n{line}", encoding="utf-8")
