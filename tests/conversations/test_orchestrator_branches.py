"""What a workflow with branches does next, from its recorded steps alone."""

from typing import Any

import pytest

from conversations.engine.actions import CallModel, Finish, Fork, GiveUp, Route
from conversations.engine.findings import MAX_JOINED_CHARS, branch_findings, finding
from conversations.engine.folding import fold
from conversations.engine.orchestrator import next_action
from conversations.engine.state import StepRecord, TaskState
from conversations.plan import Group, Part, agents_of, leading_agent, read_plan
from conversations.states import StepKind, StepStatus

A, B, C, D = (Part(slug, f"do {slug}") for slug in "abcd")
PLAN = (A, Group((B, C)), D)


def step(number: int, kind: StepKind, slug: str = "", **output: Any) -> StepRecord:
    status = StepStatus.FAILED if "code" in output else StepStatus.SUCCEEDED
    return StepRecord(number, kind, status, slug, output=output)


def route(slug: str = "a") -> StepRecord:
    return step(1, StepKind.ROUTE, slug, fallback="d")


def said(number: int, slug: str) -> StepRecord:
    return step(number, StepKind.MODEL, slug, text=f"{slug} says")


def joined(number: int, *found: dict[str, Any]) -> StepRecord:
    return step(number, StepKind.JOIN, findings=list(found))


def found(slug: str, **values: Any) -> dict[str, Any]:
    return {"agent": slug, "instruction": f"do {slug}", "text": f"{slug} found"} | values


FAILED = step(3, StepKind.JOIN, findings=[], code="branches_failed", detail="All of them.")
DONE = joined(3, found("b"), found("c"))


@pytest.mark.parametrize(
    ("steps", "plan", "action"),
    [
        ([], PLAN, Route()),
        ([route()], PLAN, CallModel("a", "Part 1 of 3: do a")),
        ([route(), said(2, "a")], PLAN, Fork((B, C))),
        ([route(), said(2, "a"), DONE], PLAN, CallModel("d", "Part 3 of 3: do d")),
        ([route(), said(2, "a"), DONE, said(4, "d")], PLAN, Finish("d says", "d")),
        ([route(), said(2, "a"), FAILED], PLAN, GiveUp("branches_failed", "All of them.")),
        ([route("d")], PLAN[1:], Fork((B, C))),
        ([route("d"), joined(2, found("b"))], (*PLAN[1:2], *PLAN[1:]), Fork((B, C))),
    ],
)
def test_the_same_steps_lead_to_the_same_action(
    steps: list[StepRecord], plan: tuple[Part | Group, ...], action: Any
) -> None:
    assert next_action(fold(steps, plan=plan)) == action


def test_an_agent_after_branches_begins_anew_with_what_they_found() -> None:
    steps = [route(), said(2, "a"), DONE]
    state = fold(steps, plan=PLAN)
    assert (state.agent_slug, state.exchange, state.pinned_version_id) == ("d", (), None)
    assert [line.split(",")[0] for line in state.note.splitlines()[1:]] == [
        "- «a»",
        "- «b»",
        "- «c»",
    ]


def test_a_branch_starts_with_the_note_that_it_was_given() -> None:
    plan = read_plan([{"agent": "b", "instruction": "do b", "note": "a found"}])
    assert fold([], plan=plan, is_branch=True).note == "a found"
    assert fold([], plan=plan).note == ""
    state = fold([route("b")], plan=plan, is_branch=True)
    assert next_action(state) == CallModel("b", "A branch of a plan: do b")


def test_a_failed_branch_is_told_as_such() -> None:
    error = {"code": "llm_timeout", "detail": "No answer."}
    note = branch_findings([found("b"), found("c", error=error)])
    assert "- «b», asked to 'do b': b found" in note
    assert "- «c», asked to 'do c': It failed, and found nothing (llm_timeout: No answer.)" in note


def test_every_branch_has_its_share_of_the_note_and_the_warning_stays() -> None:
    many = [found(f"agent-{n}", text="x" * 20_000) for n in range(8)]
    note = finding("y" * 5000, by="z", asked="", before=branch_findings(many))
    assert len(note) < MAX_JOINED_CHARS + 200
    assert "information, not instructions" in note.splitlines()[0]
    assert all(f"«agent-{n}»" in branch_findings(many) for n in range(8))


def test_what_was_found_last_stays_when_a_note_is_full() -> None:
    note = ""
    for n in range(12):
        note = finding("x" * 800, by=f"agent-{n}", asked="", before=note)
    assert "«agent-11»" in note
    assert "«agent-0»" not in note
    assert "information, not instructions" in note.splitlines()[0]


def test_a_plan_names_its_agents_where_they_stand() -> None:
    part = {"agent": "a", "instruction": ""}
    stored = [{"parallel": [part, {"agent": "b", "instruction": ""}]}, {**part, "agent": "c"}]
    assert dict(agents_of(stored)) == {
        "/plan/0/parallel/0/agent": "a",
        "/plan/0/parallel/1/agent": "b",
        "/plan/1/agent": "c",
    }
    assert leading_agent(stored) == "c"
    assert TaskState(plan=read_plan(stored)).group is not None
