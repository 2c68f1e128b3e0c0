"""Plain data: the only thing a template ever sees.

An object would bring its attributes along (`tenant.llm_api_key`), and a shared list could be seen
half changed by another thread; so what is given is copied, and what is not plain is refused.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from prompts.errors import TemplateFailed, TemplateTooLarge
from prompts.rendering import limits

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"


def plain_copy(variables: Mapping[str, JSONValue]) -> dict[str, Any]:
    """A deep copy of `variables`, proven to be a tree of plain JSON values.

    Raises TemplateFailed for anything that is not exactly a dict with text keys, list, str, int,
    float, bool or None, for numbers that are not finite or beyond 10**30, for text that cannot be
    stored; TemplateTooLarge for more than 1 Mi characters, 20,000 values or 16 levels. A list that
    is given twice counts twice, so a short description of an enormous tree is refused too.
    """
    copier = _Copier()
    copied: dict[str, Any] = {}
    for name, value in variables.items():
        try:
            copied[copier.key(name)] = copier.copy(value, limits.DATA_DEPTH)
        except _NotPlain as problem:
            raise TemplateFailed(f"The variable {name!r:.80} holds {problem}.") from problem
    return copied


class _NotPlain(Exception):
    pass


class _Copier:
    __slots__ = ("characters", "values")

    def __init__(self) -> None:
        self.characters = limits.DATA_CHARACTERS
        self.values = limits.DATA_VALUES

    def copy(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if value is None or kind is bool:
            return value
        if kind is int or kind is float:
            return _number(value)
        if kind is not dict and kind is not list:
            raise _NotPlain(f"something that is not plain data ({kind.__name__})")
        return self._container(value, depth - 1)

    def key(self, value: Any) -> str:
        if type(value) is not str:
            raise _NotPlain(f"a key that is not text ({type(value).__name__})")
        if len(value) > limits.KEY_CHARACTERS:
            raise TemplateTooLarge("The variables hold a key that is too long.")
        return self.text(value)

    def text(self, value: str) -> str:
        self.characters -= len(value)
        if self.characters < 0:
            raise TemplateTooLarge("The variables hold too much text.")
        if "\0" in value or not (value.isascii() or _is_encodable(value)):
            raise _NotPlain("text that cannot be stored: NUL or a lone surrogate")
        return value

    def _container(self, value: Any, depth: int) -> Any:
        if depth < 0:
            raise TemplateTooLarge("The variables are nested too deeply.")
        self.values -= len(value)
        if self.values < 0:
            raise TemplateTooLarge("The variables hold too many values.")
        if type(value) is list:
            return [self.copy(item, depth) for item in value]
        return {self.key(key): self.copy(item, depth) for key, item in value.items()}


def _number(value: float) -> float:
    if not math.isfinite(value) or abs(value) > limits.NUMBER:
        raise _NotPlain("a number that is not finite or beyond 10**30")
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
