"""An upstream that embeds: vectors as told, beside whatever else it does well or badly."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.llm_server import Behaviour, Call

NOWHERE = (0.0, 0.0, 1.0)


def embeds(known: Mapping[str, Sequence[Any]] | None = None, *, usage: Any = None) -> Behaviour:
    """The vector of each text that begins as one that is `known` does; all others point elsewhere.
    The answer tells them in another order than they were asked for.
    """

    def vector_of(text: str) -> Sequence[Any]:
        found = (v for begins, v in (known or {}).items() if text.startswith(begins))
        return next(found, NOWHERE)

    async def behave(call: Call) -> None:
        texts = call.body["input"]
        rows = [
            {"object": "embedding", "index": index, "embedding": list(vector_of(text))}
            for index, text in enumerate(texts)
        ]
        counted = {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts)}
        answer = {"object": "list", "model": "embedder-1", "data": rows[::-1]}
        await call.json(200, answer | {"usage": usage or counted})

    return behave


def beside(embedding: Behaviour, *chatting: Behaviour) -> Behaviour:
    """Embeds as told; chats are answered one after another, the last one again and again."""
    num_chats = 0

    async def behave(call: Call) -> None:
        nonlocal num_chats
        if call.path.endswith("/embeddings"):
            await embedding(call)
            return
        num_chats += 1
        await chatting[min(num_chats, len(chatting)) - 1](call)

    return behave


def addresses(calls: Sequence[Call]) -> list[str]:
    """The last part of each address that was asked."""
    return [call.path.rpartition("/")[2] for call in calls]
