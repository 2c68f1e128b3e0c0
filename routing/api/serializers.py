"""What the API of routing gives."""

from typing import Any

from rest_framework import serializers

from orkesta.api.fields import Body, OptionalText, Text
from routing.models import Agent, McpServer, Tool
from routing.server_models import WordsState
from routing.tool_models import KINDS, RECOVERIES, RISKS, ToolState
from routing.tools.openapi import MAX_DOCUMENT_CHARS, MAX_OPERATIONS


class AgentSerializer(serializers.Serializer[Any]):
    """Somebody who can answer; `slug` is what `chat/send` takes as `agent`."""

    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(Agent.Kind.choices)
    is_fallback = serializers.BooleanField(help_text="Answers when nobody else was decided on.")
    tools = serializers.SerializerMethodField(help_text="Names of the tools it may use.")

    def get_tools(self, agent: Agent) -> list[str]:
        names = {chosen.tool.name for chosen in agent.agent_tools.all()}
        if agent.kind == Agent.Kind.MCP and agent.mcp_server is not None:
            names |= {tool.name for tool in agent.mcp_server.tools.all()}
        return sorted(names)


class ToolSerializer(serializers.Serializer[Any]):
    """Something that agents can do."""

    name = serializers.CharField(help_text="What the model calls it by.")
    title = serializers.CharField()
    description = serializers.CharField(help_text="What the model reads of it.")
    kind = serializers.ChoiceField(KINDS)
    parameters = serializers.DictField(help_text="JSON Schema (2020-12) of its arguments.")
    risk = serializers.ChoiceField(RISKS)
    recovery = serializers.ChoiceField(
        RECOVERIES, help_text="What is done with a call whose outcome a crash left unknown."
    )
    state = serializers.ChoiceField(ToolState.choices)
    mcp_server = serializers.SerializerMethodField(help_text="Slug of its MCP server, if any.")

    def get_mcp_server(self, tool: Tool) -> str | None:
        return tool.mcp_server.slug if tool.mcp_server else None


class ServerWordsSerializer(serializers.Serializer[Any]):
    """What a server says of itself. Agents are told `approved`, and nothing else."""

    state = serializers.ChoiceField(WordsState.choices, source="words_state")
    approved = serializers.CharField(source="own_words", help_text="Empty: nothing is told.")
    offered = serializers.SerializerMethodField(
        help_text="What it says now, where that waits for approval in the admin; else null."
    )

    def get_offered(self, server: McpServer) -> str | None:
        return server.offered_words if server.do_words_wait else None


class McpServerSerializer(serializers.Serializer[Any]):
    """A server of the Model Context Protocol, whose tools agents use."""

    slug = serializers.CharField(help_text="Names of its tools begin with it.")
    name = serializers.CharField()
    transport = serializers.ChoiceField(McpServer.Transport.choices)
    is_active = serializers.BooleanField()
    synced_at = serializers.DateTimeField(allow_null=True)
    sync_error = serializers.CharField(help_text="Why the last sync failed; empty if it did not.")
    instructions = ServerWordsSerializer(source="*")


class ToolImportBodySerializer(Body):
    """An OpenAPI 3 document, and which of its operations become tools."""

    document = Text(max_length=MAX_DOCUMENT_CHARS, help_text="JSON or YAML, as text.")
    base_url = OptionalText(
        max_length=500, help_text="Where the API is, when the document does not say it."
    )
    operations = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        max_length=MAX_OPERATIONS,
        help_text="Names of the wanted ones; all that can be tools, when missing.",
    )


class RefusedOperationSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    reason = serializers.CharField()


class ToolImportSerializer(serializers.Serializer[Any]):
    """What became of a document."""

    tools = ToolSerializer(many=True)
    refused = RefusedOperationSerializer(many=True, help_text="Operations that cannot be tools.")
