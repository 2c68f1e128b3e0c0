import json
import math
from dataclasses import replace
from typing import Any

import pytest

from routing.errors import (
    LLMAuthFailed,
    LLMBadAnswer,
    LLMError,
    LLMRateLimited,
    LLMTimeout,
    LLMUnreachable,
)
from routing.llm.client import LLMClient
from routing.llm.embeddings import MAX_CHARS, MAX_TEXTS, Embeddings
from tests.fakes.embeddings import embeds
from tests.fakes.hostile_http import HostileServer
from tests.fakes.llm_door import OFFLINE, TARGET, Door, open_door
from tests.fakes.llm_server import Behaviour, drips, hangs, raw, status

IMPATIENT = replace(TARGET, timeout_seconds=0.2, max_retries=0)


def answers(*vectors: Any, **values: Any) -> Behaviour:
    rows = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    # Python's own JSON spells NaN and Infinity, as some servers do.
    return raw(json.dumps({"data": rows} | values).encode(), content_type="application/json")


async def asked(door: Door, *texts: str, **target: Any) -> Embeddings:
    return await door.client.embed(replace(IMPATIENT, **target), texts or ("hola",))


async def test_each_text_has_its_vector_whatever_the_order_of_the_answer() -> None:
    async with open_door(embeds({"a": (3, 4, 0), "b": (0, 0, 2)})) as door:
        found = await asked(door, "a", "b")
    assert [list(vector) for vector in found.vectors] == [
        pytest.approx([0.6, 0.8, 0.0]),
        pytest.approx([0.0, 0.0, 1.0]),
    ]
    assert (found.model, found.usage.input_tokens, found.usage.estimated) == (
        "embedder-1",
        6,
        False,
    )
    (call,) = door.fake.calls
    assert call.path == "/v1/embeddings"
    assert call.body == {"model": "fake-1", "input": ["a", "b"], "encoding_format": "float"}
    assert call.headers["authorization"].startswith("Bearer sk-canary")


async def test_what_the_provider_does_not_count_is_estimated() -> None:
    async with open_door(answers([1.0], usage={"prompt_tokens": -3})) as door:
        found = await asked(door, "x" * 36)
    assert (found.usage.input_tokens, found.usage.estimated) == (10, True)


async def test_half_characters_and_long_texts_are_sent_as_they_can_be() -> None:
    async with open_door(answers([1.0])) as door:
        await asked(door, "a\x00b\ud800" + "z" * 5000)
    (sent,) = door.fake.calls[0].body["input"]
    assert sent.startswith("a\ufffdb\ufffdzz")
    assert len(sent) == MAX_CHARS


@pytest.mark.parametrize(
    "behaviour",
    [
        answers(),
        answers([1.0], [1.0]),
        answers([math.nan, 1.0]),
        answers([math.inf, 1.0]),
        answers([0.0, 0.0]),
        answers([]),
        answers(None),
        answers("AAAA"),
        answers([True, 1.0]),
        answers(["1", 1.0]),
        answers([[1.0]]),
        answers([10**400]),
        answers([1e308] * 4),
        answers([1.0] * 4097),
        answers([1.0], data=[{"index": 7, "embedding": [1.0]}]),
        answers([1.0], data=[{"index": "0", "embedding": [1.0]}]),
        answers([1.0], data=["x"]),
        answers([1.0], data={"0": [1.0]}),
        raw(b"[]", content_type="application/json"),
        raw(b"<html>", content_type="text/html"),
        raw(b"[" * 100_000, content_type="application/json"),
    ],
)
async def test_what_is_no_vector_is_a_bad_answer(behaviour: Behaviour) -> None:
    async with open_door(behaviour) as door:
        with pytest.raises(LLMBadAnswer):
            await asked(door, timeout_seconds=5.0)


async def test_vectors_of_one_answer_have_one_length() -> None:
    async with open_door(answers([1.0], [1.0, 2.0])) as door:
        with pytest.raises(LLMBadAnswer, match="dimensions"):
            await asked(door, "a", "b")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (hangs(starts=False), LLMTimeout),
        (hangs(b'{"data": ['), LLMTimeout),
        (drips(b" ", pause=0.01), LLMTimeout),
        (raw(b'{"data"', is_cut=True), LLMUnreachable),
        (status(401), LLMAuthFailed),
        (status(429), LLMRateLimited),
        (status(500), LLMError),
        (status(302, location="http://127.0.0.1/"), LLMError),
    ],
)
async def test_trouble_is_told_by_name(behaviour: Behaviour, error: type[LLMError]) -> None:
    async with open_door(behaviour) as door:
        with pytest.raises(error) as caught:
            await asked(door)
    assert "sk-canary" not in str(caught.value.message) + str(caught.value.details)
    assert len(door.fake.calls) == 1


async def test_an_answer_without_end_is_given_up() -> None:
    async with open_door(drips(b" " * (1 << 20), pause=0)) as door:
        with pytest.raises(LLMBadAnswer, match="never ends"):
            await asked(door, timeout_seconds=30.0)


async def test_what_passes_by_itself_is_tried_again() -> None:
    async with open_door(status(429, retry_after="0"), status(503), embeds()) as door:
        assert len((await asked(door, max_retries=2)).vectors) == 1
    assert len(door.fake.calls) == 3


async def test_too_many_texts_are_a_mistake_of_the_caller() -> None:
    async with open_door(embeds()) as door:
        for texts in ([], ["x"] * (MAX_TEXTS + 1)):
            with pytest.raises(ValueError, match="embedded at once"):
                await door.client.embed(TARGET, texts)
    assert door.fake.calls == []


async def test_the_offline_model_embeds_and_says_who_it_is() -> None:
    async with open_door(embeds()) as door:
        texts = ["mi pedido no ha llegado", "mi pedido no llega", "¿dan factura?", "…"]
        found = await door.client.embed(OFFLINE, texts)
        again = await door.client.embed(OFFLINE, texts[::-1])
    assert found.model == "orkesta-offline"
    assert found.vectors == again.vectors[::-1]
    first, near, far, none = found.vectors
    assert [math.hypot(*vector) for vector in found.vectors] == [pytest.approx(1, abs=1e-5)] * 4
    assert math.dist(first, near) < 0.8 < math.dist(first, far)
    assert len(none) == 256


async def test_an_address_inside_is_not_asked() -> None:
    client = LLMClient()
    async with HostileServer() as server:
        inside = replace(IMPATIENT, base_url=server.url("/v1"), timeout_seconds=5.0)
        with pytest.raises(LLMError):
            await client.embed(inside, ["hola"])
        assert server.accepted == 0
    await client.aclose()
