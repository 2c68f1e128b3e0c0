"""Who can answer, and what they can do."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, answer_page, read_body
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from routing.api.serializers import (
    AgentSerializer,
    McpServerSerializer,
    ToolImportBodySerializer,
    ToolImportSerializer,
    ToolSerializer,
)
from routing.selectors import list_agents, list_mcp_servers, list_tools
from routing.tools.importing import chosen_of, import_operations
from routing.tools.openapi import read_operations
from tenants.idempotency import idempotent
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


class ToolListView(Endpoint):
    required_scopes = {"GET": Scope.AGENTS_READ}

    @extend_schema(
        operation_id="tools_list",
        summary="List the tools, newest first",
        description="What agents can do: built-in tools, HTTP requests, tools of MCP servers. Only "
        "those whose `state` is `active` are offered to a model.",
        tags=["agents"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(ToolSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(list_tools(), ToolSerializer, request)


class McpServerListView(Endpoint):
    required_scopes = {"GET": Scope.AGENTS_READ}

    @extend_schema(
        operation_id="mcp_servers_list",
        summary="List the MCP servers, newest first",
        description="How their last sync went, and whether what they say of themselves waits for "
        "approval. Neither addresses nor secrets are told.",
        tags=["agents"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(McpServerSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(list_mcp_servers(), McpServerSerializer, request)


class ToolImportView(Endpoint):
    required_scopes = {"POST": Scope.AGENTS_WRITE}

    @idempotent
    @extend_schema(
        operation_id="tools_import",
        summary="Make tools of an OpenAPI 3 document",
        description="Each wanted operation becomes an HTTP tool, all of them or none. A key for "
        "the API is entered in the admin, where agents are given the tools, too.",
        tags=["agents"],
        request=ToolImportBodySerializer,
        responses={201: ToolImportSerializer} | problems(has_body=True),
    )
    def post(self, request: Request) -> Response:
        body, _ = read_body(ToolImportBodySerializer, request)
        found = read_operations(body["document"], base_url=body["base_url"])
        wanted, broken = chosen_of(found, body.get("operations"))
        tools = import_operations(operations=wanted)
        refused = [{"name": one.name, "reason": one.fault} for one in broken]
        return Response(ToolImportSerializer({"tools": tools, "refused": refused}).data, status=201)
