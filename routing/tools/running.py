"""The one door to tools: arguments are checked, the call is bounded, and it fails in two ways."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson

from routing.breaker import Outcome
from routing.breaker_store import BreakerStore, breaker_store
from routing.errors import ToolCircuitOpen, ToolError, ToolFailed, ToolRetry, ToolTimeout
from routing.tools.storing import capped, storable_data
from routing.tools.values import Risk, ToolContext, ToolResult, ToolSnapshot

MAX_ARGUMENT_CHARS: Final = 32_000


def read_arguments(tool: ToolSnapshot, raw: str) -> dict[str, Any]:
    """The arguments a model wrote for `tool`, checked against its schema and fit to be stored.

    Raises ToolRetry, whose message tells the model what to write instead. No text counts as {}.
    """
    if len(raw) > MAX_ARGUMENT_CHARS:
        raise ToolRetry(f"The arguments are longer than {MAX_ARGUMENT_CHARS} characters.")
    try:
        value = orjson.loads(raw.strip() or "{}")
    except (orjson.JSONDecodeError, UnicodeError) as exc:
        raise ToolRetry(f"The arguments are not valid JSON: {str(exc)[:200]}.") from exc
    return check_arguments(tool, value)


def check_arguments(tool: ToolSnapshot, value: Any) -> dict[str, Any]:
    """`read_arguments` for arguments that are no text any more: those a person has edited."""
    clean = storable_data(value)
    if not isinstance(clean, dict):
        raise ToolRetry("The arguments must be a JSON object, not nested too deep.")
    fault = tool.checker.fault(clean) if tool.checker else None
    if fault is not None:
        raise ToolRetry(f"The arguments do not fit the schema of {tool.name}: {fault}.")
    return clean


async def run_tool(
    tool: ToolSnapshot,
    arguments: Mapping[str, Any],
    context: ToolContext,
    *,
    breakers: BreakerStore | None = None,
) -> ToolResult:
    """Call `tool` with arguments that `read_arguments` gave, within its timeout.

    Raises ToolRetry (the model may correct itself) and ToolFailed (final); of the latter the detail
    `is_outcome_unknown` says that the call went out and may have had its effect.
    """
    async with _guarded(tool, context, breakers or breaker_store()):
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                result = await tool.caller.call(tool, arguments, context)
        except TimeoutError as exc:
            raise _too_late(tool) from exc
        _check_result(tool, result)
    return capped(result)


async def check_tool(
    tool: ToolSnapshot, context: ToolContext, *, breakers: BreakerStore | None = None
) -> ToolResult | None:
    """What became of the call with the idempotency key of `context`: its result, or None when it
    never arrived. Raises ToolFailed when nobody can tell.
    """
    async with _guarded(tool, context, breakers or breaker_store()):
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                result = await tool.caller.check(tool, context)
        except TimeoutError as exc:
            raise _too_late(tool) from exc
    return None if result is None else capped(result)


def _too_late(tool: ToolSnapshot) -> ToolTimeout:
    return ToolTimeout(
        f"{tool.name} did not answer within {tool.timeout_seconds:g} s.",
        is_outcome_unknown=tool.risk is not Risk.READ,
    )


def _check_result(tool: ToolSnapshot, result: ToolResult) -> None:
    fault = tool.output_checker.fault(result.data) if tool.output_checker else None
    if fault is not None:
        raise ToolFailed(f"{tool.name} answered with what it does not declare: {fault}.")


@asynccontextmanager
async def _guarded(
    tool: ToolSnapshot, context: ToolContext, breakers: BreakerStore
) -> AsyncIterator[None]:
    """Let the breaker hear how the call went. A tool that refuses a call has answered, and one that
    was cut off by us says nothing.
    """
    name = tool.caller.breaker_name
    if not name:
        yield
        return
    admission = await breakers.admit(context.tenant_id, name)
    if not admission.allowed:
        raise ToolCircuitOpen(retry_after=admission.retry_after_seconds)
    outcome = Outcome.ABANDONED
    try:
        yield
        outcome = Outcome.SUCCESS
    except ToolRetry:
        outcome = Outcome.SUCCESS
        raise
    except ToolError:
        outcome = Outcome.FAILURE
        raise
    finally:
        await breakers.report(context.tenant_id, name, outcome, probe=admission.probe)
