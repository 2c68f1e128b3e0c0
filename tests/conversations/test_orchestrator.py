from dataclasses import dataclass

import pytest

from conversations.engine.actions import Action, CallModel, Finish, GiveUp, Route
from conversations.engine.folding import after, fold
from conversations.engine.orchestrator import next_action
from conversations.engine.state import StepRecord
from conversations.states import StepKind, StepStatus


def routed(number: int, slug: str = "sales", **output: object) -> StepRecord:
    told = {"fallback": "desk", "max_steps": 10} | output
    return StepRecord(number, StepKind.ROUTE, StepStatus.SUCCEEDED, slug, output=told)


def said(number: int, text: str, slug: str = "sales") -> StepRecord:
    return StepRecord(number, StepKind.MODEL, StepStatus.SUCCEEDED, slug, output={"text": text})


def failed(number: int, slug: str = "sales", kind: StepKind = StepKind.MODEL) -> StepRecord:
    output = {"code": "llm_timeout", "detail": "too slow"}
    return StepRecord(number, kind, StepStatus.FAILED, slug, output=output)


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple[StepRecord, ...]
    expected: Action


GAVE_UP = GiveUp("llm_timeout", "too slow")
CASES = [
    Case("nothing yet", (), Route()),
    Case("routed", (routed(1),), CallModel("sales")),
    Case("answered by the supervisor", (routed(1, "", response="Hi"),), Finish("Hi", "")),
    Case("answered", (routed(1), said(2, "Hello")), Finish("Hello", "sales")),
    Case(
        "agent failed",
        (routed(1), failed(2)),
        CallModel("desk", reason="«sales» failed (llm_timeout)."),
    ),
    Case(
        "fallback answered",
        (routed(1), failed(2), said(3, "Hello", "desk")),
        Finish("Hello", "desk"),
    ),
    Case(
        "fallback failed too",
        (routed(1), failed(2), failed(3, "desk")),
        GAVE_UP,
    ),
    Case("the fallback itself failed", (routed(1, "desk"), failed(2, "desk")), GAVE_UP),
    Case("no fallback", (routed(1, fallback=""), failed(2)), GAVE_UP),
    Case("nobody to route to", (failed(1, "", StepKind.ROUTE),), GAVE_UP),
    Case(
        "out of steps", (routed(1, max_steps=1),), GiveUp("max_steps", "No answer after 1 steps.")
    ),
    Case("out of steps after a failure", (routed(1, max_steps=2), failed(2)), GAVE_UP),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_decides_what_comes_next(case: Case) -> None:
    assert next_action(fold(case.steps)) == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_decides_the_same_however_often_the_steps_are_folded(case: Case) -> None:
    half = len(case.steps) // 2
    resumed = fold(case.steps[:half])
    for step in case.steps[half:]:
        resumed = after(resumed, step)
    assert resumed == fold(case.steps)
