"""Errors of routing: what can go wrong between a message and whoever answers it.

* Upstream (502)
  + LLMError                    llm_error           the provider failed, or said so in the stream
    - LLMTimeout (504)          llm_timeout         it did not answer, or fell silent
    - LLMRateLimited (503)      llm_rate_limited    it asks us to slow down (`retry_after`)
    - LLMUnreachable            llm_unreachable     no connection, a broken one, or 502/503
    - LLMBadAnswer              llm_bad_answer      what it sent is not the protocol
    - LLMRejected               llm_rejected        it refuses this request; repeating is no use
    - LLMAuthFailed             llm_auth_failed     it refuses the key; repeating is no use

    - CircuitOpen (503)         circuit_open        it failed again and again; nobody was asked
  + ToolError                   tool_error
    - ToolRetry                 tool_retry          the model may correct itself and call again
    - ToolFailed                tool_failed         final: calling again is no use
      - ToolTimeout (504)       tool_timeout        no answer in time; perhaps it acted all the same
      - ToolUnreachable         tool_unreachable    no connection, or one that broke
      - ToolCircuitOpen (503)   tool_circuit_open   it failed again and again; nobody was asked
  + AgentError                  agent_error         a remote agent said that it failed
    - AgentTimeout (504)        agent_timeout       it did not answer in time
    - AgentUnreachable          agent_unreachable   no connection, a broken one, or 502/503
    - AgentBusy (503)           agent_busy          it asks us to slow down (`retry_after`)
    - AgentBadAnswer            agent_bad_answer    what it sent cannot be read, or is nothing
    - AgentRejected             agent_rejected      it refuses this request; repeating is no use
    - AgentCircuitOpen (503)    agent_circuit_open  it failed again and again; nobody was asked
* Unavailable (503)
  + NoAgent                     no_agent            the tenant has no active agent
  + AgentNotReady               agent_not_ready     it lacks a published prompt or an endpoint

Messages of LLM and tool errors are safe to show: no key, no URL beyond its host, no text of the
other side that was not redacted (`routing.llm.translation`, `routing.tools.redacting`).
"""

from orkesta.errors import Unavailable, Upstream


class LLMError(Upstream):
    """The language model answered with an error."""

    code = "llm_error"


class LLMTimeout(LLMError):
    """The language model did not answer in time."""

    code = "llm_timeout"
    http_status = 504


class LLMRateLimited(LLMError):
    """The language model's provider asks us to slow down."""

    code = "llm_rate_limited"
    http_status = 503


class LLMUnreachable(LLMError):
    """The language model cannot be reached."""

    code = "llm_unreachable"


class LLMBadAnswer(LLMError):
    """The language model's answer could not be understood."""

    code = "llm_bad_answer"


class LLMRejected(LLMError):
    """The language model refused the request."""

    code = "llm_rejected"
    retryable = False


class LLMAuthFailed(LLMError):
    """The language model refused our key."""

    code = "llm_auth_failed"
    retryable = False


class CircuitOpen(LLMError):
    """This LLM endpoint has failed again and again; it is left alone for a moment."""

    code = "circuit_open"
    http_status = 503


class ToolError(Upstream):
    """A tool could not be used."""

    code = "tool_error"
    retryable = False


class ToolRetry(ToolError):
    """The tool did not accept the call as it was made."""

    code = "tool_retry"


class ToolFailed(ToolError):
    """The tool failed.

    The detail `is_outcome_unknown` is True when the call went out and nobody knows whether it took
    effect.
    """

    code = "tool_failed"


class ToolTimeout(ToolFailed):
    """The tool did not answer in time."""

    code = "tool_timeout"
    http_status = 504


class ToolUnreachable(ToolFailed):
    """The tool cannot be reached."""

    code = "tool_unreachable"


class ToolCircuitOpen(ToolFailed):
    """This tool has failed again and again; it is left alone for a moment."""

    code = "tool_circuit_open"
    http_status = 503


class AgentError(Upstream):
    """The remote agent failed."""

    code = "agent_error"


class AgentTimeout(AgentError):
    """The remote agent did not answer in time."""

    code = "agent_timeout"
    http_status = 504


class AgentUnreachable(AgentError):
    """The remote agent cannot be reached."""

    code = "agent_unreachable"


class AgentBusy(AgentError):
    """The remote agent asks us to slow down."""

    code = "agent_busy"
    http_status = 503


class AgentBadAnswer(AgentError):
    """The remote agent's answer cannot be read."""

    code = "agent_bad_answer"


class AgentRejected(AgentError):
    """The remote agent refused the request."""

    code = "agent_rejected"
    retryable = False


class AgentCircuitOpen(AgentError):
    """The agent has failed again and again; it is left alone for a moment."""

    code = "agent_circuit_open"
    http_status = 503


class NoAgent(Unavailable):
    """The tenant has no active agent that could answer."""

    code = "no_agent"
    retryable = False


class AgentNotReady(Unavailable):
    """The agent has no published prompt, or no LLM endpoint to speak with."""

    code = "agent_not_ready"
    retryable = False
