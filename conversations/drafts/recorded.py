"""The hand that makes no calls: what tools said then is what they say now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from conversations.engine.calls import PendingCall
from conversations.engine.folding import CORRECTABLE
from conversations.engine.state import StepRecord, TaskState
from conversations.states import StepKind, StepStatus

#: What a model is told of a call that nobody made then, and that nobody makes now.
NOT_MADE: Final = (
    "This is a rehearsal: the call was noted and not made, and has no result. Answer the customer"
    " as if it had worked, without inventing what it would have told."
)


@dataclass(slots=True)
class RecordedHand:
    """Answers calls with the results that the same calls, with the same arguments, had when the
    message was really answered. Whatever else is asked for, reading or writing, is not made.

    `calls` tells of each call where its result is from.
    """

    recorded: Sequence[StepRecord]
    calls: list[dict[str, Any]] = field(default_factory=list)

    def answer_all(self, calls: Sequence[PendingCall], state: TaskState) -> list[StepRecord]:
        """Steps of the calls, in their order."""
        return [self._answer(call, state, place) for place, call in enumerate(calls, 1)]

    def _answer(self, call: PendingCall, state: TaskState, place: int) -> StepRecord:
        then = None if call.problem else self._find(call)
        if call.problem:
            status, source = StepStatus.FAILED, "refused"
            output: Mapping[str, Any] = {"code": CORRECTABLE, "detail": call.problem}
        elif then is None:
            status, source, output = StepStatus.SUCCEEDED, "not_made", {"text": NOT_MADE}
        else:
            status, source, output = then.status, "recorded", then.output
        arguments = dict(call.arguments)
        self.calls.append({"name": call.name, "arguments": arguments, "source": source})
        return StepRecord(
            number=state.num_steps + place,
            kind=StepKind.TOOL,
            status=status,
            agent_slug=state.agent_slug or "",
            input={"name": call.name, "arguments": arguments, "call_id": call.id},
            output=output,
        )

    def _find(self, call: PendingCall) -> StepRecord | None:
        for step in self.recorded:
            asked = step.input
            is_same = asked.get("name") == call.name and asked.get("arguments") == call.arguments
            if step.kind is StepKind.TOOL and step.status is not StepStatus.STARTED and is_same:
                return step
        return None
