"""The addresses of routing, below `/api/v1/`."""

from django.urls import path

from routing.api.rule_views import RoutingTestView
from routing.api.views import AgentListView, McpServerListView, ToolImportView, ToolListView

urlpatterns = [
    path("agents", AgentListView.as_view(), name="agents"),
    path("mcp-servers", McpServerListView.as_view(), name="mcp-servers"),
    path("routing/test", RoutingTestView.as_view(), name="routing-test"),
    path("tools", ToolListView.as_view(), name="tools"),
    path("tools/imports", ToolImportView.as_view(), name="tool-imports"),
]
