"""How long the command line takes to start, against a bare interpreter: median of ten, interleaved."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "waypost --help": [str(Path(sys.executable).with_name("waypost")), "--help"],
    "waypost run pipeline --dry-run": [
        *(str(Path(sys.executable).with_name("waypost")), "run", "pipeline", "--dry-run")
    ],
}
ROUNDS = 10

if __name__ == "__main__":
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    floor = statistics.median(seconds["python -c pass"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:32} {median * 1000:7.0f} ms  {median / floor:5.1f} x python")
