"""Who can answer."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, answer_page
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from routing.api.serializers import AgentSerializer
from routing.selectors import list_agents
from tenants.principals import Scope


class AgentListView(Endpoint):
    required_scopes = {"GET": Scope.AGENTS_READ}

    @extend_schema(
        operation_id="agents_list",
        summary="List the active agents, newest first",
        description="Who can answer. `slug` is what `chat/send` takes as `agent`.",
        tags=["agents"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(AgentSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(list_agents(), AgentSerializer, request)
