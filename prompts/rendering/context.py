"""One render's state: its variables and the work it may still do."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from jinja2 import Environment, Undefined
from jinja2.runtime import Context

from prompts.errors import TemplateTooLarge
from prompts.rendering import limits

CHARACTERS_PER_UNIT = 16

_WORDS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "none",
    Undefined: "nothing",
}


class RenderContext(Context):
    """Jinja's context with a budget: `spend` before you work, in proportion to the work."""

    def __init__(
        self,
        environment: Environment,
        parent: dict[str, Any],
        name: str | None,
        blocks: dict[str, Callable[..., Any]],
        globals: MutableMapping[str, Any] | None = None,
    ) -> None:
        super().__init__(environment, parent, name, blocks, globals)
        self.units = limits.WORK_UNITS

    def spend(self, units: int) -> None:
        """Takes `units` (each about a tenth of a microsecond) off the budget, or stops."""
        self.units -= units
        if self.units < 0:
            raise TemplateTooLarge("The template does too much work.")

    def spend_text(self, characters: int) -> None:
        """Pays for reading or writing so many characters once."""
        self.spend(2 + characters // CHARACTERS_PER_UNIT)

    def weigh(self, value: Any) -> int:
        """The characters in the tree below `value`; every value looked at is paid for."""
        kind = type(value)
        if kind is str:
            self.spend_text(len(value))
            return len(value)
        self.spend(1)
        if kind is list:
            return sum([self.weigh(item) for item in value])
        if kind is dict:
            return sum([self.weigh(key) + self.weigh(item) for key, item in value.items()])
        defined(value)
        return 1


def check_size(characters: int) -> None:
    """Raises TemplateTooLarge when a text inside a render may not be so long."""
    if characters > limits.TEXT_CHARACTERS:
        raise TemplateTooLarge("The template builds a text that is too long.")


def check_text(text: str) -> str:
    """`text`, unless it is longer than any text inside a render may be."""
    check_size(len(text))
    return text


def defined(value: Any) -> Any:
    """`value`; raises jinja2.UndefinedError when it is StrictUndefined."""
    if isinstance(value, Undefined):
        str(value)
    return value


def kind_of(value: Any) -> str:
    """What `value` is, in the words of an author; raises when it is undefined."""
    return _WORDS.get(type(defined(value)), "something else")


def text_of(value: Any) -> str:
    """A single value as it appears in the output: none, like an `if` without `else`, is nothing."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)  # raises, unless it is what Jinja makes of an `if` without `else`
    if type(value) in (int, float, bool):
        return str(value)
    raise TypeError(f"text is needed here, not {kind_of(value)}")


def number_of(value: Any) -> float:
    """`value` when it is a number within bounds."""
    if type(value) in (int, float, bool):
        # Written so that a float that is not a number fails too.
        if not -limits.NUMBER <= value <= limits.NUMBER:
            raise OverflowError("a number is too large")
        number: float = value
        return number
    raise TypeError(f"a number is needed here, not {kind_of(value)}")


def whole_number_of(value: Any, low: int, high: int) -> int:
    """`value` when it is an integer from `low` to `high`."""
    if type(value) is int and low <= value <= high:
        return value
    raise ValueError(f"a whole number from {low} to {high} is needed here")


def list_of(value: Any) -> list[Any]:
    """`value` when it is a list."""
    if type(value) is list:
        return value
    raise TypeError(f"a list is needed here, not {kind_of(value)}")
