"""What the schema of the API says of all of it: drf-spectacular's settings."""

from typing import Any, Final

OPENAPI: Final[dict[str, Any]] = {
    "TITLE": "Orkesta",
    "DESCRIPTION": (
        "Send a message, follow its answer, look up what was said. Every call needs an API key, as "
        "`Authorization: Bearer ork_…` or `X-API-Key: ork_…`; the key decides the tenant and what "
        "may be done.\n\nErrors are `application/problem+json` (RFC 9457): go by `code`. Lists are "
        "pages: send `next_cursor` back as `cursor` while `has_more` is true. In bodies, `null` "
        "and an empty text mean that a value is not given."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SORT_OPERATIONS": False,
    "TAGS": [
        {"name": "chat", "description": "Talk to the tenant's agents."},
        {"name": "tasks", "description": "The work that each message sets going."},
        {"name": "sessions", "description": "Conversations: their messages and events."},
        {"name": "agents", "description": "Who can answer."},
        {"name": "schedules", "description": "Messages that the clock posts."},
        {"name": "inbound webhooks", "description": "Addresses at which others launch tasks."},
        {"name": "keys", "description": "API keys: issue, rotate, revoke, report."},
        {"name": "usage", "description": "What was used, and what it cost."},
        {"name": "webhooks", "description": "Addresses of yours that are told how tasks end."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "ExecuteKind": "conversations.api.serializers.execute.ExecuteKind",
        "SessionStatus": "conversations.states.SessionStatus",
        "StepKind": "conversations.states.StepKind",
        "StepStatus": "conversations.states.StepStatus",
        "TaskStatus": "conversations.states.TaskStatus",
        "Wanted": "conversations.states.Wanted",
        "Role": "conversations.models.Message.Role",
        "AgentKind": "routing.models.Agent.Kind",
        "PromptStatus": "prompts.models.PromptVersion.Status",
        "RunStatus": "prompts.run_models.RunStatus",
        "DeliveryStatus": "conversations.trigger_models.WebhookDelivery.Status",
        "WebhookEvent": "conversations.triggers.events.WebhookEvent",
    },
}
