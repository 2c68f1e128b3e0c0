"""Fields that forgive what low-code clients send, and nothing else.

`null` and `""` mean "not given" wherever a value may be missing; `"1"`, `"true"`, `1`, `"0"` are
booleans. A value of the wrong kind is still refused: a number is no message.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

from orkesta.api.renderer import to_json

MAX_OBJECT_BYTES: Final = 64_000


def _missing(default: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a field that may be missing or null."""
    return {"required": False, "allow_null": True, "default": default} | options


class Text(serializers.CharField):
    """Text kept as it was typed. Only strings: numbers and booleans are refused."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OptionalText(serializers.CharField):
    """Trimmed text that may be missing: `null` and `""` give `""`. A number is taken as its digits,
    since many clients send ids that way.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_missing("", kwargs), allow_blank=True)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation("" if data is None else data)


class Flag(serializers.BooleanField):
    """A boolean: `true`, `1`, `"1"`, `"true"`, `"yes"`, … `null` and `""` give None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_missing(None, kwargs))


class Id(serializers.UUIDField):
    """A UUID as text; numbers are refused."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=type(data).__name__)
        return super().to_internal_value(data.strip())


class OptionalId(Id):
    """A UUID that may be missing: `null` and `""` give None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_missing(None, kwargs))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(None if data == "" else data)


class OptionalNumber(serializers.IntegerField):
    """A whole number that may be missing: `7` or `"7"`; `null` and `""` give None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_missing(None, kwargs))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(None if data == "" else data)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class OptionalChoice(serializers.ChoiceField):
    """One of a few words, that may be missing: `null` and `""` give the default."""

    def __init__(self, choices: Any, *, default: str, **kwargs: Any) -> None:
        super().__init__(choices, **_missing(default, kwargs))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        is_given = data is not None and data != ""
        return super().run_validation(data if is_given else serializers.empty)


class OptionalObject(serializers.DictField):
    """A JSON object of any content, up to 64,000 bytes; `null` and `""` give `{}`."""

    default_error_messages = {
        "too_large": f"This may take at most {MAX_OBJECT_BYTES} bytes as JSON.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_missing(dict, kwargs))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation({} if data is None or data == "" else data)
        if len(to_json(value)) > MAX_OBJECT_BYTES:
            self.fail("too_large")
        return value


class Body(serializers.Serializer[Any]):
    """A request body. Keys it does not know have no effect, and `ignored_in` names them.

    Refusing them would break clients that send one form to several services; keeping silent would
    hide a mistyped `session_id`. So the answer tells.
    """

    MAX_IGNORED: Final = 20

    def ignored_in(self, data: Mapping[str, Any]) -> list[str]:
        unknown = sorted(set(data) - set(self.fields))
        return [name[:100] for name in unknown[: self.MAX_IGNORED]]
