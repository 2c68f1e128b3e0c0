"""Tools that need nobody else: the time where the tenant is, and sums that come out right."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, DecimalException, localcontext
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from routing.errors import ToolFailed, ToolRetry
from routing.tools.values import ToolContext, ToolResult, ToolSnapshot

MAX_EXPRESSION_CHARS: Final = 500
MAX_DIGITS: Final = 50
MAX_EXPONENT: Final = 100


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in tool as it is offered when a tenant adds it. `work` is quick and bounded."""

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any]
    work: Callable[[Mapping[str, Any], str], Any]


@dataclass(frozen=True, slots=True)
class BuiltinCaller:
    """Runs a built-in tool in this process; `time_zone` is the tenant's."""

    builtin: Builtin
    time_zone: str
    breaker_name: str = ""

    async def call(
        self, tool: ToolSnapshot, arguments: Mapping[str, Any], context: ToolContext
    ) -> ToolResult:
        data = self.builtin.work(arguments, self.time_zone)
        return ToolResult("\n".join(f"{name}: {value}" for name, value in data.items()), data)

    async def check(self, tool: ToolSnapshot, context: ToolContext) -> ToolResult | None:
        """Nothing here has an effect, so nothing ever arrived."""
        return None


def _current_time(arguments: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    name = arguments.get("time_zone") or time_zone
    try:
        here = datetime.now(UTC).astimezone(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ToolRetry("That is not a time zone of the IANA database.") from exc
    return {
        "date": here.date().isoformat(),
        "time": here.strftime("%H:%M:%S"),
        "weekday": here.strftime("%A"),
        "time_zone": name,
        "utc_offset": here.strftime("%z"),
    }


def _calculate(arguments: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    expression = str(arguments["expression"])
    return {"expression": expression, "result": calculate(expression)}


def calculate(expression: str) -> str:
    """The value of a sum of decimal numbers with + - * / % ** and parentheses, in 50 digits.

    0.1 + 0.2 is 0.3 here. Raises ToolRetry for anything else, and for powers and sizes that only
    cost time.
    """
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ToolRetry(f"An expression has at most {MAX_EXPRESSION_CHARS} characters.")
    try:
        source = expression.strip().replace("^", "**")
        tree = ast.parse(source, mode="eval")
        with localcontext() as arithmetic:
            arithmetic.prec = MAX_DIGITS
            arithmetic.Emax, arithmetic.Emin = 999, -999
            value = _value(tree.body, source)
            return f"{value.normalize():f}" if value else "0"
    except (SyntaxError, ValueError, MemoryError, RecursionError) as exc:
        raise ToolRetry("That is not a sum: use numbers, + - * / % ** and parentheses.") from exc
    except DecimalException as exc:
        raise ToolRetry("That has no result: a division by zero, or a number too large.") from exc


def _value(node: ast.expr, source: str) -> Decimal:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        # The digits as they were written: 0.1 as a float is another number.
        return Decimal(ast.get_source_segment(source, node) or str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, source)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = _value(node.left, source), _value(node.right, source)
        return _OPERATIONS[type(node.op)](left, right)
    raise ValueError("not arithmetic")


def _power(left: Decimal, right: Decimal) -> Decimal:
    if abs(right) > MAX_EXPONENT:
        raise ToolRetry(f"An exponent is at most {MAX_EXPONENT}.")
    return left**right


_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
}

_ALL: Final = (
    Builtin(
        "current_time",
        "Current time",
        "The current date, time and weekday, where the business is or in a time zone you name.",
        {
            "type": "object",
            "properties": {
                "time_zone": {
                    "type": "string",
                    "maxLength": 64,
                    "description": "IANA name such as America/Bogota; left out: the business's.",
                }
            },
            "additionalProperties": False,
        },
        _current_time,
    ),
    Builtin(
        "calculate",
        "Calculator",
        "Calculates exactly with decimal numbers: prices, totals, taxes, quantities. Use it for "
        "every sum instead of calculating yourself.",
        {
            "type": "object",
            "properties": {
                "expression": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_EXPRESSION_CHARS,
                    "description": "Such as 12 * 3.50 * 1.19; the operators are + - * / % **.",
                }
            },
            "required": ["expression"],
            "additionalProperties": False,
        },
        _calculate,
    ),
)
BUILTINS: Final[Mapping[str, Builtin]] = MappingProxyType({one.name: one for one in _ALL})


def get_builtin(name: str) -> Builtin:
    """Raises ToolFailed when this installation has no such tool."""
    try:
        return BUILTINS[name]
    except KeyError as exc:
        raise ToolFailed(f"There is no built-in tool {name}.") from exc
