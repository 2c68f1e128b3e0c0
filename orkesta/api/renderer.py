"""Writes response bodies."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer


class JsonRenderer(BaseRenderer):
    """JSON in UTF-8: UUIDs and decimals as strings, times in ISO 8601 with `Z` for UTC."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else to_json(data)


def to_json(data: Any) -> bytes:
    """`data` as JSON. What orjson refuses (lone surrogates, huge integers) is written by the slower
    encoder, in escapes: one bad row from long ago must not break every list that holds it.
    """
    try:
        return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        return json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=True).encode()


def _plain(value: Any) -> str:
    if isinstance(value, Decimal | Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
