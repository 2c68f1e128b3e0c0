"""What can go wrong with sessions, messages and tasks.

* OrkestaError
  + NotFound
    - SessionNotFound, TaskNotFound, StepNotFound, BatchNotFound, MessageNotFound
                                        not_found: absent and foreign look the same
  + Conflict
    - SessionNotOpen                    session_not_open
    - SessionBusy                       session_busy
    - StateConflict                     state_conflict (orkesta.errors)
  + Invalid
    - MessageEmpty                      message_empty
    - MessageTooLong                    message_too_long
    - BatchSizeInvalid                  batch_size_invalid
    - UnknownAgent                      unknown_agent
    - InputInvalid                      input_invalid
    - FeedbackNotPossible               feedback_not_possible
  + TooMany
    - SessionExhausted                  session_exhausted
  + TaskPoisoned                        poison: what a task failed of
  + StepsExhausted                      max_steps: likewise
  + TokensExhausted                     max_task_tokens: likewise
  + TimeExhausted                       max_task_seconds: likewise
  + ErrorsInARow                        errors_in_a_row: likewise
  + InputExpired                        input_expired: likewise
  + BranchesFailed                      branches_failed: likewise
  + LeaseLost                           never leaves the engine
"""

from typing import ClassVar

from orkesta.errors import Conflict, Invalid, NotFound, OrkestaError, TooMany


class SessionNotFound(NotFound):
    """There is no such session."""


class TaskNotFound(NotFound):
    """There is no such task."""


class StepNotFound(NotFound):
    """The task has no such step."""


class BatchNotFound(NotFound):
    """There is no such batch."""


class MessageNotFound(NotFound):
    """There is no such message."""


class SessionNotOpen(Conflict):
    """The session is closed or has expired; open a new one."""

    code = "session_not_open"


class SessionBusy(Conflict):
    """The agent is still answering, and takes no message meanwhile."""

    code = "session_busy"
    retryable = True


class MessageEmpty(Invalid):
    """A message needs at least one visible character."""

    code = "message_empty"


class MessageTooLong(Invalid):
    """The message is longer than allowed."""

    code = "message_too_long"


class BatchSizeInvalid(Invalid):
    """A batch has too many requests, or none."""

    code = "batch_size_invalid"


class UnknownAgent(Invalid):
    """There is no active agent of that name."""

    code = "unknown_agent"


class InputInvalid(Invalid):
    """That is no answer to what the task asks."""

    code = "input_invalid"


class SessionExhausted(TooMany):
    """The session has used all the messages its tier allows; open a new one."""

    code = "session_exhausted"
    retryable: ClassVar[bool] = False


class LeaseLost(OrkestaError):
    """Another worker owns the task now; nothing of this attempt may be written any more."""

    code = "lease_lost"


class TaskPoisoned(OrkestaError):
    """The task ended every worker that took it up."""

    code = "poison"


class StepsExhausted(OrkestaError):
    """The task had no answer after as many steps as its agent may take."""

    code = "max_steps"


class TokensExhausted(OrkestaError):
    """The task had no answer after as many tokens as its agent may use."""

    code = "max_task_tokens"


class TimeExhausted(OrkestaError):
    """The task had no answer after as much time as its agent may take."""

    code = "max_task_seconds"


class ErrorsInARow(OrkestaError):
    """One call after another failed, so the task was ended."""

    code = "errors_in_a_row"


class InputExpired(OrkestaError):
    """The task asked a person, and nobody answered in time."""

    code = "input_expired"


class BranchesFailed(OrkestaError):
    """Of the branches of a workflow, not one found anything."""

    code = "branches_failed"


class FeedbackNotPossible(Invalid):
    """Only what an agent has said can be rated."""

    code = "feedback_not_possible"
