from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from conversations.engine.actions import (
    Action,
    AskHuman,
    CallModel,
    CheckTool,
    Finish,
    GiveUp,
    HandOff,
    RunTools,
    Summarise,
)
from conversations.engine.calls import CallKind, PendingCall
from conversations.engine.findings import DATA
from conversations.engine.folding import after, fold
from conversations.engine.offering import Reading
from conversations.engine.orchestrator import next_action
from conversations.engine.state import NO_BACKLOG, Backlog, StepRecord
from conversations.states import InputKind, StepKind, StepStatus
from routing.llm.types import ToolCall

OK, BAD, BEGUN = StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.STARTED


def routed(**bounds: Any) -> StepRecord:
    return StepRecord(1, StepKind.ROUTE, OK, "sales", output={"fallback": "desk"} | bounds)


def called(number: int, *calls: dict[str, Any], **values: Any) -> StepRecord:
    output = {"text": "", "tool_calls": list(calls)}
    return StepRecord(number, StepKind.MODEL, OK, "sales", output=output, **values)


def said(number: int, text: str = "Hello", slug: str = "sales") -> StepRecord:
    return StepRecord(number, StepKind.MODEL, OK, slug, output={"text": text})


def call(name: str = "a", risk: str = "read", **values: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "arguments": {"x": 1}, "risk": risk} | values


def ran(number: int, name: str = "a", status: StepStatus = OK, **values: Any) -> StepRecord:
    output = {"text": "done"} if status is OK else {"code": "tool_failed", "detail": "broken"}
    given = {"call_id": name, "name": name, "idempotency_key": f"key {name}"}
    values = {"input": given, "output": output} | values
    return StepRecord(number, StepKind.TOOL, status, "sales", **values)


def begun(number: int, name: str = "a", attempt: int = 1) -> StepRecord:
    return ran(number, name, BEGUN, output={}, attempt=attempt)


def heard(
    number: int, kind: str, action: str, name: str = "a", attempt: int = 2, **said: Any
) -> StepRecord:
    given = {"kind": kind, "call_id": name}
    output = {"action": action, "text": "", "by": "ana"} | said
    return StepRecord(
        number, StepKind.HUMAN, OK, "sales", input=given, output=output, attempt=attempt
    )


def handed(number: int, status: StepStatus = OK) -> StepRecord:
    given = {"call_id": "h", "by": "sales", "reason": "an invoice"}
    return StepRecord(number, StepKind.HANDOFF, status, "billing", input=given, output={})


A, B = PendingCall.of(call("a")), PendingCall.of(call("b"))
WRITE = call("a", "write")
W = PendingCall.of(WRITE)
APPROVAL = call("a", "approval")
P = PendingCall.of(APPROVAL)
ASK = call("q", kind="ask_human", arguments={"question": "Which?", "audience": "customer"})
HAND = call("h", kind="hand_off", arguments={"agent": "billing", "reason": "an invoice"})


def after_crash(recovery: str, **values: Any) -> PendingCall:
    known = replace(W, recovery=recovery, number=3, key="key a", begun_by=1)
    return replace(known, **values)


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple[StepRecord, ...]
    expected: Action
    backlog: Backlog = NO_BACKLOG


def retry(number: int) -> StepRecord:
    return ran(number, status=BAD, output={"code": "tool_retry", "detail": "no"})


def rounds(count: int, failure: Any = None) -> tuple[StepRecord, ...]:
    """So many messages with a call that fails."""
    make = failure or (lambda number: ran(number, status=BAD))
    pairs = [(called(2 * i, WRITE), make(2 * i + 1)) for i in range(1, count + 1)]
    return (routed(max_steps=50), *(step for pair in pairs for step in pair))


CASES = [
    Case("a call", (routed(), called(2, call())), RunTools((A,))),
    Case("calls that read", (routed(), called(2, call("a"), call("b"))), RunTools((A, B))),
    Case(
        "half of them recorded", (routed(), called(2, call("a"), call("b")), ran(3)), RunTools((B,))
    ),
    Case("calls that write", (routed(), called(2, WRITE, call("b"))), RunTools((W,))),
    Case("after a write, a read", (routed(), called(2, WRITE, call("b")), ran(3)), RunTools((B,))),
    Case("all done", (routed(), called(2, call()), ran(3)), CallModel("sales")),
    Case("a failed call", (routed(), called(2, call()), ran(3, status=BAD)), CallModel("sales")),
    Case(
        "an answer at last",
        (routed(), called(2, call()), ran(3), said(4)),
        Finish("Hello", "sales"),
    ),
    Case("needs approval", (routed(), called(2, APPROVAL)), AskHuman(InputKind.APPROVAL, P)),
    Case(
        "approved",
        (routed(), called(2, APPROVAL), heard(3, "approval", "approve")),
        RunTools((replace(P, is_approved=True),)),
    ),
    Case(
        "approved with other arguments",
        (routed(), called(2, APPROVAL), heard(3, "approval", "edit", arguments={"x": 2})),
        RunTools((replace(P, is_approved=True, arguments={"x": 2}),)),
    ),
    Case(
        "refused",
        (routed(), called(2, APPROVAL), heard(3, "approval", "reject")),
        CallModel("sales"),
    ),
    Case(
        "a question", (routed(), called(2, ASK)), AskHuman(InputKind.QUESTION, PendingCall.of(ASK))
    ),
    Case(
        "answered by a person",
        (routed(), called(2, ASK), heard(3, "question", "answer", "q", text="10")),
        CallModel("sales"),
    ),
    Case("hands over", (routed(), called(2, HAND)), HandOff(PendingCall.of(HAND))),
    Case("handed over", (routed(), called(2, HAND), handed(3)), CallModel("billing")),
    Case("cannot hand over", (routed(), called(2, HAND), handed(3, BAD)), CallModel("sales")),
    Case(
        "cut off, idempotent",
        (routed(), called(2, WRITE | {"recovery": "idempotent"}), begun(3)),
        RunTools((after_crash("idempotent"),)),
    ),
    Case(
        "cut off, to be checked",
        (routed(), called(2, WRITE | {"recovery": "check"}), begun(3)),
        CheckTool(after_crash("check")),
    ),
    Case(
        "cut off, never again",
        (routed(), called(2, WRITE), begun(3)),
        AskHuman(InputKind.OUTCOME, after_crash("never")),
    ),
    Case(
        "cut off, a person says again",
        (routed(), called(2, WRITE), begun(3), heard(4, "outcome", "approve")),
        RunTools((after_crash("never", may_repeat=True),)),
    ),
    Case(
        "cut off again after a person said again",
        (routed(), called(2, WRITE), begun(3, attempt=3), heard(4, "outcome", "approve")),
        AskHuman(InputKind.OUTCOME, after_crash("never", begun_by=3)),
    ),
    Case(
        "cut off, a person says no",
        (routed(), called(2, WRITE), ran(3, status=BAD), heard(4, "outcome", "reject")),
        CallModel("sales"),
    ),
    Case("two errors", rounds(2), CallModel("sales")),
    Case(
        "three errors",
        rounds(3),
        GiveUp("errors_in_a_row", "3 errors in a row; the last one: broken"),
    ),
    Case("a model may correct itself", rounds(5, retry), CallModel("sales")),
    Case("a success in between", (*rounds(2), called(6, WRITE), ran(7)), CallModel("sales")),
    Case(
        "calls that fail together are one error",
        (routed(), called(2, call("a"), call("b")), ran(3, "a", BAD), ran(4, "b", BAD)),
        CallModel("sales"),
    ),
    Case(
        "out of steps before a call",
        (routed(max_steps=2), called(2, call())),
        GiveUp("max_steps", "No answer after 2 steps."),
    ),
    Case(
        "a message full of calls is one step",
        (routed(max_steps=4), called(2, call("a"), call("b")), ran(3, "a"), ran(4, "b")),
        CallModel("sales"),
    ),
    Case(
        "out of tokens",
        (routed(max_task_tokens=100), called(2, call(), input_tokens=90, output_tokens=10)),
        GiveUp("max_task_tokens", "No answer after 100 tokens."),
    ),
    Case(
        "out of time",
        (routed(max_task_seconds=2), called(2, call(), duration_ms=2500.0)),
        GiveUp("max_task_seconds", "No answer after 2 s of work."),
    ),
    Case(
        "an answer is an answer, however late",
        (routed(max_task_seconds=2), replace(said(2), duration_ms=9000.0)),
        Finish("Hello", "sales"),
    ),
    Case(
        "calls at the same time take as long as the slowest",
        (
            routed(max_task_seconds=2),
            called(2, call("a"), call("b")),
            ran(3, "a", duration_ms=1500.0),
            ran(4, "b", duration_ms=1400.0),
        ),
        CallModel("sales"),
    ),
    Case("much was said before", (routed(), said(2)), Summarise(), Backlog(20, 100)),
    Case("long texts were said before", (routed(), said(2)), Summarise(), Backlog(3, 30_000)),
    Case(
        "summarised",
        (routed(), said(2), StepRecord(3, StepKind.SUMMARY, OK, "sales")),
        Finish("Hello", "sales"),
        Backlog(20, 100),
    ),
    Case(
        "a summary that failed does no harm",
        (routed(), said(2), StepRecord(3, StepKind.SUMMARY, BAD, "sales")),
        Finish("Hello", "sales"),
        Backlog(20, 100),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_decides_what_comes_next(case: Case) -> None:
    assert next_action(fold(case.steps, backlog=case.backlog)) == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_decides_the_same_wherever_it_was_interrupted(case: Case) -> None:
    whole = fold(case.steps, backlog=case.backlog)
    for cut in range(len(case.steps)):
        resumed = fold(case.steps[:cut], backlog=case.backlog)
        for step in case.steps[cut:]:
            resumed = after(resumed, step)
        assert resumed == whole


def test_a_finished_call_is_never_pending_again() -> None:
    steps = (routed(), called(2, call("a"), WRITE | {"id": "b"}), ran(3, "a"), ran(4, "b"))
    assert fold(steps).calls == ()
    assert fold((*steps, ran(4, "b"))).exchange == fold(steps).exchange


def test_the_agent_that_takes_over_is_told_what_was_found_out() -> None:
    state = fold((routed(), called(2, call("a"), HAND), ran(3, "a"), handed(4)))
    assert state.exchange == ()
    assert state.note == f'«sales» hands over to you: an invoice\n{DATA}\n- a {{"x":1}}: done'
    assert state.had == ("sales", "billing")


def test_a_control_call_is_known_for_one() -> None:
    assert PendingCall.of(ASK).kind is CallKind.ASK_HUMAN
    assert not PendingCall.of(ASK).is_free


def test_calls_without_an_id_or_with_the_same_one_get_their_own() -> None:
    agent: Any = SimpleNamespace(slug="a", tools=(), may_ask_human=False, may_hand_off=False)
    snapshot: Any = SimpleNamespace(agents={})
    calls = [ToolCall(name, "price", "{}") for name in ("x", "x", "", "y")]
    read = Reading(agent, snapshot, (), 3).read(calls)
    assert [call["id"] for call in read] == ["x", "call_3_1", "call_3_2", "y"]
