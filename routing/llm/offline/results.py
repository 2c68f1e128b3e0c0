"""Results of tools, said in words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from routing.llm.offline.knowledge import value_of
from routing.llm.offline.phrases import Phrases

MAX_ITEMS: Final = 8
MAX_FIELDS: Final = 8
MAX_TEXT: Final = 300
#: Keys whose value is the reason why a tool failed.
ERROR_KEYS: Final = ("error", "errors", "detail")
#: How whoever runs the tools begins to say that one failed; the customer need not hear that part.
_ERROR: Final = re.compile(r"(?i)error:? *(?:[\w-]+ answered with an error: *)?")
MESSAGE_KEYS: Final = ("message", "mensaje", "detail", "detalle")


def summary(results: Sequence[str], said: Phrases) -> str:
    """What the results of tools, JSON or plain text, say; one paragraph each."""
    return "\n".join(dict.fromkeys(_of_one(result, said) for result in results))


def fault_of(result: str) -> str:
    """Why the tool failed, as its result says; empty when it did not."""
    value = value_of(result)
    if isinstance(value, Mapping):
        reasons = (value[key] for key in ERROR_KEYS if value.get(key))
        return _reason(next(reasons, ""))
    found = _ERROR.match(str(value))
    return str(value)[found.end() :].strip()[:MAX_TEXT] if found else ""


def is_empty(result: str) -> bool:
    """True for a result that is a list of nothing, or an object around one."""
    value = value_of(result)
    if isinstance(value, Mapping) and len(value) == 1:
        [value] = value.values()
    return isinstance(value, list) and not value


def _reason(error: Any) -> str:
    """The sentence in an error, which may be an object that holds one."""
    if isinstance(error, Mapping):
        told = next((error[key] for key in MESSAGE_KEYS if error.get(key)), "")
        return str(told or error)[:MAX_TEXT]
    return (
        ", ".join(map(str, error))[:MAX_TEXT] if isinstance(error, list) else str(error)[:MAX_TEXT]
    )


def _of_one(result: str, said: Phrases) -> str:
    fault = fault_of(result)
    if fault:
        return said.tool_error.format(error=fault.rstrip("."))
    value = value_of(result)
    if isinstance(value, Mapping):
        return _of_object(value, said)
    if isinstance(value, list):
        return _of_list(value, said)
    if value is None or value == "":
        return said.tool_empty
    return said.tool_result.format(result=_in_words(value, said).rstrip("."))


def _of_object(value: Mapping[str, Any], said: Phrases) -> str:
    if not value:
        return said.tool_empty
    lists = [item for item in value.values() if isinstance(item, list)]
    if len(lists) == 1 and all(isinstance(item, Mapping) for item in lists[0]):
        rest = {key: item for key, item in value.items() if item is not lists[0]}
        told = _of_list(lists[0], said)
        return f"{told}\n{said.tool_result.format(result=_fields(rest, said))}" if rest else told
    return said.tool_result.format(result=_fields(value, said))


def _of_list(items: Sequence[Any], said: Phrases) -> str:
    if not items:
        return said.tool_empty
    lines = [f"• {_in_words(item, said)}" for item in items[:MAX_ITEMS]]
    return "\n".join([said.tool_list.format(count=len(items)), *lines])


def _in_words(value: Any, said: Phrases, *, depth: int = 0) -> str:
    if isinstance(value, bool):
        return said.yes if value else said.no
    if value is None:
        return "—"
    if depth > 2:
        return "…"
    if isinstance(value, Mapping):
        return _fields(value, said, depth=depth + 1)
    if isinstance(value, list):
        return ", ".join(_in_words(item, said, depth=depth + 1) for item in value[:MAX_ITEMS])
    return str(value)[:MAX_TEXT]


def _fields(value: Mapping[str, Any], said: Phrases, *, depth: int = 0) -> str:
    """`key: value` of the first fields, keys readable."""
    shown = list(value.items())[:MAX_FIELDS]
    return "; ".join(
        f"{str(key).replace('_', ' ')}: {_in_words(item, said, depth=depth)}" for key, item in shown
    )
