"""The addresses of routing, below `/api/v1/`."""

from django.urls import path

from routing.api.views import AgentListView

urlpatterns = [path("agents", AgentListView.as_view(), name="agents")]
