"""A task's state is a fold over its recorded steps: the same steps always give the same state."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from conversations.engine.calls import PendingCall, answered, asked, error_text
from conversations.engine.findings import branch_findings, finding, findings
from conversations.engine.state import NO_BACKLOG, Backlog, Limits, StepRecord, TaskState
from conversations.plan import Entry
from conversations.states import InputAction, InputKind, StepKind, StepStatus

#: A call that failed with this is the model's to correct; it is no error of the tool's.
CORRECTABLE: Final = "tool_retry"


def fold(
    steps: Iterable[StepRecord],
    *,
    backlog: Backlog = NO_BACKLOG,
    plan: tuple[Entry, ...] = (),
    is_branch: bool = False,
) -> TaskState:
    """The state after `steps`, in order."""
    state = TaskState(backlog=backlog, plan=plan, is_branch=is_branch)
    if is_branch and state.part is not None:
        state = replace(state, note=state.part.note)
    for step in steps:
        state = after(state, step)
    return state


def after(state: TaskState, step: StepRecord) -> TaskState:
    """The state once `step` is recorded."""
    tokens = state.tokens + step.input_tokens + step.output_tokens
    state = replace(state, num_steps=max(state.num_steps, step.number))
    if step.status is StepStatus.STARTED:
        return _begun(state, step)
    return _AFTER[step.kind](replace(state, tokens=tokens), step)


# --- Who answers --------------------------------------------------------------------------------


def _routed(state: TaskState, step: StepRecord) -> TaskState:
    state = _spent(replace(state, num_rounds=state.num_rounds + 1), step)
    if step.status is StepStatus.FAILED:
        return _failed(state, step)
    response = step.output.get("response")
    return replace(
        _taken_over(state, step),
        fallback_slug=str(step.output.get("fallback", "")),
        limits=Limits.of(step.output).times(len(state.plan) or 1),
        answer=str(response) if response else None,
    )


def _handed_off(state: TaskState, step: StepRecord) -> TaskState:
    state = replace(_spent(state, step), is_round_begun=True)
    if step.status is StepStatus.FAILED:
        return _resulted(state, step)
    by, reason = str(step.input.get("by", "")), str(step.input.get("reason", ""))
    note = findings(state.exchange, head=f"«{by}» hands over to you: {reason}", before=state.note)
    return replace(_taken_over(state, step), note=note, exchange=(), calls=())


def _taken_over(state: TaskState, step: StepRecord) -> TaskState:
    version = step.output.get("prompt_version_id")
    return replace(
        state,
        agent_slug=step.agent_slug,
        pinned_version_id=UUID(version) if version else None,
        had=(*state.had, step.agent_slug),
    )


# --- What a model says --------------------------------------------------------------------------


def _said(state: TaskState, step: StepRecord) -> TaskState:
    state = _spent(replace(state, num_rounds=state.num_rounds + 1), step)
    if step.status is StepStatus.FAILED:
        return _failed(state, step)
    if step.agent_slug != state.agent_slug:
        state = replace(_taken_over(state, step), note=note_for(state), exchange=())
    state = replace(state, failure=None)
    if not step.output.get("tool_calls"):
        return _answered(state, str(step.output.get("text", "")))
    calls = tuple(map(PendingCall.of, step.output["tool_calls"]))
    return replace(
        state,
        exchange=(*state.exchange, asked(step.output)),
        calls=calls,
        is_parallel=all(call.is_free for call in calls),
        is_round_begun=False,
        has_round_failed=False,
        slowest_ms=0.0,
    )


def _answered(state: TaskState, text: str) -> TaskState:
    """The task has its answer; in the middle of a plan, the next agent has a finding more."""
    part = state.part
    if part is None or not state.has_more_parts:
        return replace(state, answer=text)
    by, asked = state.agent_slug or "", part.instruction
    return _with_next_part(state, finding(text, by=by, asked=asked, before=state.note))


def _joined(state: TaskState, step: StepRecord) -> TaskState:
    """All branches have ended; what they found stands in the order of the plan."""
    if step.status is StepStatus.FAILED:
        return _failed(state, step)
    return _with_next_part(state, branch_findings(step.output["findings"], before=state.note))


def _with_next_part(state: TaskState, note: str) -> TaskState:
    done = replace(
        state,
        num_parts_done=state.num_parts_done + 1,
        pinned_version_id=None,
        tried=(),
        note=note,
        exchange=(),
        num_errors=0,
    )
    part = done.part
    if part is None:  # branches: nobody has the task meanwhile
        return done
    return replace(done, agent_slug=part.agent_slug, had=(*state.had, part.agent_slug))


def note_for(state: TaskState) -> str:
    """What the agent that replaces a failed one is told."""
    if not state.exchange:
        return state.note
    head = f"«{state.agent_slug}» could not go on; you take over."
    return findings(state.exchange, head=head, before=state.note)


def _failed(state: TaskState, step: StepRecord) -> TaskState:
    """A decision or a model call came to nothing."""
    code, detail = str(step.output.get("code", "internal")), str(step.output.get("detail", ""))
    return replace(
        state,
        failure=(code, detail),
        tried=(*state.tried, step.agent_slug),
        num_errors=state.num_errors + 1,
        last_error=detail,
    )


# --- What comes of its calls --------------------------------------------------------------------


def _begun(state: TaskState, step: StepRecord) -> TaskState:
    """A call is about to be made, or a person about to be asked."""
    if step.kind is not StepKind.TOOL:
        return state
    begun = {
        "number": step.number,
        "key": str(step.input.get("idempotency_key", "")),
        "begun_by": step.attempt,
        "may_repeat": False,
    }
    return replace(_with_call(state, step, begun), is_round_begun=True)


def _resulted(state: TaskState, step: StepRecord) -> TaskState:
    """A call has its result, or its error."""
    state = replace(_spent(state, step), is_round_begun=True)
    if step.status is StepStatus.SUCCEEDED:
        text = str(step.output.get("text", ""))
        return replace(_settled(state, step, text), num_errors=0, has_round_failed=False)
    detail = str(step.output.get("detail", ""))
    state = _settled(state, step, error_text(detail))
    if step.output.get("code") == CORRECTABLE or state.has_round_failed:
        return state
    # Calls that fail together are one error in a row: the model has not heard of any of them.
    errors = state.num_errors + 1
    return replace(state, has_round_failed=True, num_errors=errors, last_error=detail)


def _heard(state: TaskState, step: StepRecord) -> TaskState:
    """A person has answered."""
    action, text = InputAction(step.output["action"]), str(step.output.get("text", ""))
    state = replace(state, is_round_begun=True)
    kind = InputKind(step.input["kind"])
    if kind is InputKind.QUESTION:
        said = text if action is InputAction.ANSWER else f"They would not answer. {text}".strip()
        return replace(_settled(state, step, said), num_errors=0)
    if action is InputAction.REJECT:
        return _settled(
            state, step, f"A person refused this call; do not repeat it. {text}".strip()
        )
    if kind is InputKind.OUTCOME:
        # Not for a run of the call that began after the question was put.
        is_meant = any(call.begun_by < step.attempt for call in state.calls)
        return _with_call(state, step, {"may_repeat": True}) if is_meant else state
    allowed: dict[str, Any] = {"is_approved": True}
    if action is InputAction.EDIT:
        allowed["arguments"] = step.output["arguments"]
    return _with_call(state, step, allowed)


def _summarised(state: TaskState, step: StepRecord) -> TaskState:
    return replace(state, backlog=NO_BACKLOG)


def _settled(state: TaskState, step: StepRecord, text: str) -> TaskState:
    """The call of `step` is answered with `text`; nothing, when it was answered before."""
    call_id = step.input.get("call_id")
    rest = tuple(call for call in state.calls if call.id != call_id)
    if len(rest) == len(state.calls):
        return state
    return replace(state, calls=rest, exchange=(*state.exchange, answered(str(call_id), text)))


def _with_call(state: TaskState, step: StepRecord, changes: Mapping[str, Any]) -> TaskState:
    call_id = step.input.get("call_id")
    calls = tuple(replace(call, **changes) if call.id == call_id else call for call in state.calls)
    return replace(state, calls=calls)


def _spent(state: TaskState, step: StepRecord) -> TaskState:
    """Time of work; calls that were made at the same time took as long as the slowest."""
    if step.kind is not StepKind.TOOL or not state.is_parallel:
        return replace(state, milliseconds=state.milliseconds + step.duration_ms)
    more = max(0.0, step.duration_ms - state.slowest_ms)
    return replace(
        state, milliseconds=state.milliseconds + more, slowest_ms=state.slowest_ms + more
    )


_AFTER: Final[Mapping[StepKind, Callable[[TaskState, StepRecord], TaskState]]] = {
    StepKind.ROUTE: _routed,
    StepKind.MODEL: _said,
    StepKind.TOOL: _resulted,
    StepKind.HUMAN: _heard,
    StepKind.HANDOFF: _handed_off,
    StepKind.SUMMARY: _summarised,
    StepKind.AGENT: _said,
    StepKind.JOIN: _joined,
}
