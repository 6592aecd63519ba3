"""A Dask cluster, with TLS throughout: connections, `waypost worker`, tasks by name and JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import Machines, machines, options, wait_for
from tests.conftest import Call
from waypost.cluster.connection import connected
from waypost.cluster.tasks import FailedError, Target, result_of
from waypost.errors import RemoteError

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("cluster")]
WORKER = [sys.executable, "-m", "waypost", "worker"]
DIGEST = Target("waypost.texts.digests", "digest_of")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("cluster"), tls=True) as found:
        yield found


def test_a_worker_joins_and_works(cluster: Machines) -> None:
    """The scheduler has no Waypost. Without workers that is said, and one is waited for; then `waypost
    worker` joins with what it has been given, its versions fit, and a function that is named with JSON
    answers; an error of ours comes back as one.
    """
    with connected(cluster.address, cluster.tls) as ours:
        said: list[str] = []
        with pytest.raises(RemoteError, match=r"no workers; none came within 0\.1 s"):
            ours.some_workers(0.1, said.append)
        cluster.start_worker("one", "--", "--lifetime", "1h")
        [worker] = ours.some_workers(60, said.append)
        assert [line.partition("no workers yet; ")[2] for line in said] == [
            "waiting up to 0.1 s for one",
            "waiting up to 60 s for one",
        ]
        assert (worker.name, worker.threads, worker.memory) == ("one", 1, 4000 << 20)
        assert worker.resources == {"CPU": 1, "MEMORY_MB": 4000}
        ours.check_versions(["pyarrow", "numpy"])
        assert ours.worker_ttl() == "60s"
        done = ours.submit("digest", DIGEST, {"a": 1}, resources={"CPU": 1})
        assert len(result_of(done.result(timeout=60))) == 64
        assert ours.ask_each([worker], DIGEST, {"a": 1}, 60) == {worker: result_of(done.result())}
        wrong = ours.submit("wrong", Target("waypost.cluster.security", "parse_address"), "nowhere")
        with pytest.raises(FailedError, match="not a scheduler address") as caught:
            result_of(wrong.result(timeout=60))
        assert (caught.value.kind, caught.value.exit_code) == ("UsageError", 2)
    assert "Traceback" not in cluster.said("scheduler")


def test_a_worker_says_why_it_does_not_start(cluster: Machines, workplace: Path, call: Call) -> None:
    """No certificates, a scheduler that is not there, one that has a worker of the same name: one line each,
    exit codes as everywhere.
    """
    result = call(*WORKER, cluster.address, "--wait", "0")
    assert result.returncode == 2
    assert "TLS needs a CA certificate" in result.stderr
    result = call(*WORKER, "tcp://127.0.0.1:1", "--wait", "1.5")
    assert result.returncode == 3
    assert result.stderr.count("nothing listens there") == 2  # that it waits, and that it waited in vain
    assert "waiting up to 1.5 s" in result.stderr
    with connected(cluster.address, cluster.tls) as ours:
        ours.some_workers(60)
    result = call(*WORKER, cluster.address, "--wait", "0", "--name", "one", *options(cluster.tls))
    assert result.returncode == 3
    assert "there is a worker named one already" in result.stderr
    assert "--name" in result.stderr


def test_the_command_of_a_worker(workplace: Path, call: Call) -> None:
    """--dry-run prints the `dask worker` command: resources, a thread a core, no dashboard; what follows `--`
    comes last.
    """
    more = ("--", "--lifetime", "8h")
    result = call(
        *WORKER, "tls://node", "--cpus", "3", "--gpus", "2", "--memory-mb", "900", "--dry-run", *more
    )
    assert result.returncode == 0, result.stderr
    said = result.stdout
    assert said.startswith("dask worker tls://node:8786 --name ")
    assert "--nthreads 3 --memory-limit 943718400 --resources 'CPU=3 MEMORY_MB=900 GPU=2'" in said
    assert said.endswith("--nanny --no-dashboard --death-timeout 60 --lifetime 8h\n")


def test_a_scheduler_that_waits_too_long(workplace: Path, call: Call) -> None:
    """A scheduler with Dask's own worker-ttl of five minutes is warned of; one that is gone is told."""
    with machines(workplace / "other") as other:
        other.kill("scheduler")
        other.start_scheduler(ttl="5 minutes")
        other.start_worker("slow")
        with connected(other.address) as ours:
            wait_for(ours, 1)
            assert "a dead machine is noticed after 5 minutes" in other.said("slow")
            assert "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=60s" in other.said("slow")
            other.kill("scheduler")
            until = time.monotonic() + 20
            while ours.is_there and time.monotonic() < until:
                time.sleep(0.05)
            with pytest.raises(RemoteError, match="the scheduler is gone") as caught:
                ours.workers()
            assert caught.value.hint == "finished work is kept; run the same command to continue"
