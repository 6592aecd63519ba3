"""A delivery in one go, as `waypost ci` and `waypost release --pull-request` make and publish it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waypost.ci import credentials
from waypost.ci.admission import require_own_tags
from waypost.ci.delivery import Delivery
from waypost.ci.hosting import host_of, library_host
from waypost.ci.identity import name_ourselves
from waypost.ci.preparing import Wish
from waypost.ci.preparing import prepare as prepare_release
from waypost.ci.publishing import publish as publish_delivery
from waypost.errors import UsageError
from waypost.release.kinds import read_product
from waypost.report import ci as report
from waypost.report import runs
from waypost.report.common import line, notifier, write_document
from waypost.report.console import Console
from waypost.sources import git
from waypost.system.scratch import scratch


@dataclass(frozen=True)
class Told:
    """Where it is told: the terminal, the page of the job, JSON on stdout."""

    console: Console
    summary: Path | None = None
    as_json: bool = False


def ready(folder: Path, to: str = "") -> Path:
    """Returns the top of the repository, with the job's tokens lent to git. Raises UsageError."""
    top = git.top_of(folder)
    if top is None:
        raise UsageError(f"{folder} is in no git repository")
    origin = git.origin_of(top)
    tokens = {}
    if components := os.environ.get("COMPONENTS_URL") or credentials.host(origin):
        tokens[components] = "COMPONENTS_TOKEN"
    tokens |= {
        url: name
        for url, name in ((origin, "WAYPOST_TOKEN"), (to, "LIBRARY_TOKEN"))
        if credentials.is_web(url)
    }
    credentials.lend(tokens)
    name_ourselves(top)
    return top


def prepared(folder: Path, wish: Wish, console: Console) -> Delivery | None:
    """Prepares a release; returns the delivery, None where there is nothing to do."""
    ready(folder, wish.to)
    product = read_product(folder)
    origin = git.origin_of(product.top)
    host = library_host(wish.to, origin) if wish.to else host_of(origin)
    delivery = prepare_release(product, wish, host, runs.reporter_for(console))
    if delivery is None:
        line(console, "every recorded release is published: nothing to do")
        report.give({"delivery": "false"})
        return None
    report.show_delivery(console, delivery, wish.place)
    executed = str(any(name.endswith(".run.json") for name in delivery.assets)).lower()
    about = {"kind": product.kind, "executed": executed, "version": delivery.version, "tag": delivery.tag}
    report.give({"delivery": "true", **about})
    return delivery


def arrive(top: Path, place: Path, told: Told, *, to: str, pull_request: bool) -> None:
    """Publishes a delivery, or opens its pull request, and tells what became of it."""
    arrived = publish_delivery(top, place, notifier(told.console), to=to, pull_request=pull_request)
    report.summarise(told.summary, report.arrived_page(arrived))
    report.give(
        {
            "url": arrived.url,
            "published": str(arrived.is_published).lower(),
            "version": arrived.version if arrived.is_published else "",
            "commit": arrived.commit,
        }
    )
    if told.as_json:
        write_document(sys.stdout, arrived)
    else:
        report.show_arrived(told.console, arrived)


def deliver(folder: Path, wish: Mapping[str, Any], told: Told, *, pull_request: bool) -> None:
    """Prepares a release as it is wished for, and publishes it or opens its pull request."""
    if not pull_request:  # a long run would be for nothing
        require_own_tags(read_product(folder), wish.get("to", ""))
    with scratch() as temp:
        asked = Wish(temp / "delivery", **wish)
        if prepared(folder, asked, told.console):
            top = git.top_of(folder) or folder
            arrive(top, asked.place, told, to=asked.to, pull_request=pull_request)
        elif told.as_json:
            write_document(sys.stdout, None)
