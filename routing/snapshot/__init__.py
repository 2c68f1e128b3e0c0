"""A tenant's configuration as one frozen value, read once per version and shared by all its turns.

However many agents, rules and prompts are configured, a turn reads none of them: it takes the
snapshot of the version that its claim returned. Saving configuration bumps
`Tenant.config_version`, and the next claim asks for a newer snapshot.
"""

from routing.snapshot.cache import forget_snapshots, get_snapshot, known_version
from routing.snapshot.prompts import PromptSnapshot
from routing.snapshot.rules import compile_rules, read_rules
from routing.snapshot.targets import embedding_target
from routing.snapshot.values import AgentSnapshot, TenantSnapshot, template_variables

__all__ = [
    "AgentSnapshot",
    "PromptSnapshot",
    "TenantSnapshot",
    "compile_rules",
    "embedding_target",
    "forget_snapshots",
    "get_snapshot",
    "known_version",
    "read_rules",
    "template_variables",
]
