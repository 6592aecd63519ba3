"""Bodies of requests as they arrive, without a server: size, time, and the room that all of them share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from waypost.inference.limits import MIB, RequestError
from waypost.serving.bodies import Bodies, GoneError


def arriving(*parts: bytes, then: str = "http.request") -> Callable[[], Awaitable[dict[str, Any]]]:
    """Returns what gives a body's parts; without a last one, it never ends."""
    left = [{"type": "http.request", "body": part, "more_body": True} for part in parts[:-1]]
    left.append({"type": then, "body": parts[-1] if parts else b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return left.pop(0)

    return receive


async def _never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    "parts", [[b"abc"], [b"a", b"", b"bc"], [b"a" * MIB], [b"a" * 40_000, b"b" * 40_000]]
)
def test_parts_are_one_body(parts: list[bytes]) -> None:
    """A body comes whole, in parts, small and large."""
    assert asyncio.run(Bodies(MIB, 5).receive(b"", arriving(*parts))) == b"".join(parts)


@pytest.mark.parametrize("length", [b"1048577", b"9" * 5000])
def test_a_large_body_is_refused_by_its_length(length: bytes) -> None:
    """A header that says too much: 413, before anything is read."""
    with pytest.raises(RequestError, match="larger than 1,048,576 bytes") as error:
        asyncio.run(Bodies(MIB, 5).receive(length, _never))
    assert error.value.status == 413


def test_a_large_body_is_refused_as_it_arrives() -> None:
    """More than the limit, without a header that says so: 413."""
    with pytest.raises(RequestError, match="larger than 1,048,576 bytes"):
        asyncio.run(Bodies(MIB, 5).receive(b"", arriving(*[b"a" * 65_536] * 17)))


def test_a_client_may_go() -> None:
    """A client that goes away in the middle leaves nothing held."""

    async def asked() -> Bodies:
        bodies = Bodies(MIB, 5)
        for parts in ([b""], [b"a" * MIB, b""]):
            with pytest.raises(GoneError):
                await bodies.receive(b"", arriving(*parts, then="http.disconnect"))
        return bodies

    assert asyncio.run(asked())._held == 0


def test_all_bodies_share_a_room() -> None:
    """Large bodies beyond the room: 503; small ones are received all the same; a released one makes room."""

    async def asked() -> None:
        bodies = Bodies(MIB, 5)
        held = [await bodies.receive(b"", arriving(b"a" * MIB)) for _ in range(4)]
        with pytest.raises(RequestError, match="too many large bodies") as error:
            await bodies.receive(b"", arriving(b"a" * 40_000, b"b" * 40_000))
        assert error.value.status == 503
        assert await bodies.receive(b"", arriving(b"small")) == b"small"
        bodies.release(held[0])
        bodies.release(b"small")
        assert await bodies.receive(b"", arriving(b"a" * MIB)) == held[0]

    asyncio.run(asked())


def test_a_late_body_is_given_up() -> None:
    """A body that does not arrive in its time: 408, and what was there of it is released."""

    async def asked() -> None:
        bodies = Bodies(MIB, 0.01)
        parts = [{"type": "http.request", "body": b"a" * 40_000, "more_body": True}]

        async def receive() -> dict[str, Any]:
            return parts.pop() if parts else await _never()

        waiting = asyncio.create_task(bodies.receive(b"", receive))
        await asyncio.sleep(0.05)
        bodies.end_late()
        with pytest.raises(RequestError, match=r"did not arrive within 0\.01 s") as error:
            await waiting
        assert (error.value.status, bodies._held, bodies._deadlines) == (408, 0, {})

    asyncio.run(asked())


@pytest.mark.parametrize("end", ["whole", "gone", "late", "the server's"])
def test_what_is_left_of_a_refused_body_is_taken(end: str) -> None:
    """Until it is whole, its client gone, its time over, or the server ends: none of these is an error."""

    async def asked() -> Bodies:
        bodies = Bodies(MIB, 0.01)
        then = "http.disconnect" if end == "gone" else "http.request"
        receive = arriving(*[b"a" * MIB] * 3, b"", then=then) if end in ("whole", "gone") else _never
        draining = asyncio.create_task(bodies.drain(receive))
        await asyncio.sleep(0.03)
        if end == "late":
            bodies.end_late()
        elif end == "the server's":
            draining.cancel()
        await asyncio.wait_for(draining, 1)
        return bodies

    bodies = asyncio.run(asked())
    assert (bodies._held, bodies._deadlines, bodies._late) == (0, {}, set())


def test_an_end_is_no_late_body() -> None:
    """A task that is cancelled by somebody else is cancelled."""

    async def asked() -> None:
        waiting = asyncio.create_task(Bodies(MIB, 5).receive(b"", _never))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(asked())
