"""Results made fit to be stored and to be read by a model: clean texts, and no more than a cap."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from routing.llm.storable import storable
from routing.tools.values import ToolResult

MAX_RESULT_BYTES: Final = 32_000
MAX_RESULT_DEPTH: Final = 32


def storable_data(value: Any) -> Any:
    """`value` with every text in it made storable; None when it is not JSON, or nested too deep."""
    try:
        return _clean(value, MAX_RESULT_DEPTH)
    except ValueError:
        return None


def _clean(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if levels == 0:
        raise ValueError("too deep")
    if isinstance(value, Mapping):
        return {storable(str(name)): _clean(part, levels - 1) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part, levels - 1) for part in value]
    raise ValueError("not JSON")


def capped(result: ToolResult, *, max_bytes: int = MAX_RESULT_BYTES) -> ToolResult:
    """`result` as it may be stored: a text longer than `max_bytes` is cut and says so, and data
    that would need more is left out.
    """
    text = storable(result.text)
    data = storable_data(result.data)
    size = len(text.encode())
    is_cut = result.is_truncated or size > max_bytes
    if size > max_bytes:
        kept = text.encode()[:max_bytes].decode(errors="ignore")
        text = f"{kept}\n[cut here: the result has {size} bytes, of which you see {max_bytes}]"
    if data is not None and (is_cut or _size(data) > max_bytes):
        data = None
    return ToolResult(text, data, is_cut)


def _size(data: Any) -> int:
    try:
        return len(orjson.dumps(data))
    except TypeError:  # integers beyond 64 bits, which JSON has and PostgreSQL's JSON, too
        return len(str(data).encode())
