"""Reads request bodies: strict about form, so that nothing behind it has to be."""

import codecs
from collections.abc import Mapping
from typing import IO, Any, Final

import orjson
from django.conf import settings
from django.utils.http import parse_header_parameters
from rest_framework.parsers import BaseParser

from orkesta.errors import (
    BodyTooLarge,
    Invalid,
    InvalidEncoding,
    MalformedJson,
    OrkestaError,
    TooDeep,
    UnsupportedMedia,
)

MAX_DEPTH: Final = 64
_ESCAPED_NUL: Final = b"\\u0000"


class StrictJsonParser(BaseParser):
    """One JSON object in UTF-8, bounded in size and depth; no body at all means `{}`.

    Raises BodyTooLarge, UnsupportedMedia, MalformedJson (NaN and Infinity included), TooDeep,
    InvalidEncoding (NUL or a lone surrogate in any key or value), Invalid when it is no object.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        _require_utf8(media_type or self.media_type)
        limit = settings.ORKESTA_MAX_BODY_BYTES
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLarge(f"A request body has at most {limit} bytes.")
        raw = raw.removeprefix(codecs.BOM_UTF8).strip()
        return read_object(raw) if raw else {}


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`, every text of which can be stored. Raises as the parser does."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise _fault(raw, exc) from None
    # Both looks are cheap, and only suspicious bodies pay for the walk.
    if _ESCAPED_NUL in raw or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _walk(value)
    if not isinstance(value, dict):
        fault = {"pointer": "", "code": "not_an_object", "detail": "The body must be an object."}
        raise Invalid(errors=[fault])
    return value


def _require_utf8(media_type: str) -> None:
    charset = parse_header_parameters(media_type)[1].get("charset", "utf-8")
    try:
        known = codecs.lookup(charset).name
    except (LookupError, ValueError):
        known = ""
    if known != "utf-8":
        raise UnsupportedMedia


def _fault(raw: bytes, exc: orjson.JSONDecodeError) -> OrkestaError:
    """orjson tells its refusals apart by words only; a test holds each of them."""
    if "depth limit" in exc.msg:
        return TooDeep(f"JSON may be nested {MAX_DEPTH} levels deep.")
    if "surrogate" in exc.msg or b"\0" in raw:
        return InvalidEncoding()
    return MalformedJson(f"The request body is not valid JSON: {exc.msg[:200]}.")


def _walk(value: Any) -> None:
    """Look at the whole value, one level of nesting after another."""
    level, depth = [value], 0
    while level:
        if any(isinstance(item, str) and "\0" in item for item in level):
            raise InvalidEncoding
        nested = [item for item in level if isinstance(item, dict | list)]
        depth += bool(nested)
        if depth > MAX_DEPTH:
            raise TooDeep(f"JSON may be nested {MAX_DEPTH} levels deep.")
        level = [part for item in nested for part in _parts(item)]


def _parts(item: dict[str, Any] | list[Any]) -> list[Any]:
    return [*item.keys(), *item.values()] if isinstance(item, dict) else item
