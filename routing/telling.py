"""What an agent is told of itself, its tenant and the customer: its prompt, filled in."""

from collections.abc import Mapping
from typing import Any

from routing.snapshot import AgentSnapshot, PromptSnapshot, TenantSnapshot, template_variables


def told(
    snapshot: TenantSnapshot,
    agent: AgentSnapshot,
    prompt: PromptSnapshot,
    *,
    user_name: str,
    context: Mapping[str, Any],
    task_type: str = "",
) -> str:
    """The prompt for this customer and a task of that type; what the tenant says of itself follows
    where the text does not speak of the tenant. Raises what rendering does.
    """
    variables = template_variables(snapshot, agent, user_name=user_name, context=context)
    text, used = prompt.render(variables, task_type), prompt.template_for(task_type).variables
    about = snapshot.business_context
    return f"{text}\n\n{about}" if about and "tenant" not in used else text
