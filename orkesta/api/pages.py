"""Pages of a list, cut by key: they stay right while rows are added at the other end."""

import base64
import binascii
import struct
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.errors import Invalid, MalformedCursor

DEFAULT_LIMIT: Final = 25
MAX_LIMIT: Final = 100


class CursorPages(BasePagination):
    """Newest first by `id`, whose order is that of creation (UUID version 7).

    Answers `{"items", "next_cursor", "has_more"}`. The cursor names the last row of the page; it
    is opaque, and one that this kind of list did not issue is refused (MalformedCursor).
    """

    mark: ClassVar[bytes] = b"i"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit = read_limit(request)
        cursor = request.query_params.get("cursor", "")
        rows = self.after(queryset, self._decode(cursor)) if cursor else self.ordered(queryset)
        found = list(rows[: limit + 1])
        self.page, self.has_more = found[:limit], len(found) > limit
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        last = self._encode(self.page[-1]) if self.has_more else None
        return Response({"items": data, "next_cursor": last, "has_more": self.has_more})

    def ordered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by("-id")

    def after(self, rows: QuerySet[Any], key: bytes) -> QuerySet[Any]:
        return self.ordered(rows).filter(id__lt=UUID(bytes=key))

    def key(self, row: Any) -> bytes:
        return row.id.bytes  # type: ignore[no-any-return]

    key_length: ClassVar[int] = 16

    def _encode(self, row: Model) -> str:
        return base64.urlsafe_b64encode(self.mark + self.key(row)).decode().rstrip("=")

    def _decode(self, cursor: str) -> bytes:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as exc:
            raise MalformedCursor from exc
        if raw[:1] != self.mark or len(raw) != 1 + self.key_length:
            raise MalformedCursor
        return raw[1:]


class LogPages(CursorPages):
    """Oldest first by `seq`, the place in a session's log."""

    mark = b"s"
    key_length = 8

    def ordered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by("seq")

    def after(self, rows: QuerySet[Any], key: bytes) -> QuerySet[Any]:
        return self.ordered(rows).filter(seq__gt=struct.unpack(">q", key)[0])

    def key(self, row: Any) -> bytes:
        return struct.pack(">q", row.seq)


def read_limit(request: Request) -> int:
    """`?limit=`, 1 to 100, 25 when absent or blank. Raises Invalid."""
    text = request.query_params.get("limit", "") or str(DEFAULT_LIMIT)
    # Digits only, and few: int() takes blanks, underscores and other scripts' digits too.
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    detail = f"This must be a whole number from 1 to {MAX_LIMIT}."
    raise Invalid(errors=[{"pointer": "?limit", "code": "invalid", "detail": detail}])
