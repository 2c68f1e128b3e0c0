"""The address plate: every door, by path."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import tenants.openapi  # noqa: F401 - tells the schema how keys are sent
from conversations.api.views.inbound_webhooks import HookView
from conversations.api.views.sockets import SocketStatsView
from conversations.health import worker
from orkesta import health
from orkesta.api.nowhere import nowhere

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("conversations.api.urls")),
    path("api/v1/", include("conversations.api.trigger_urls")),
    path("api/v1/", include("routing.api.urls")),
    path("api/v1/", include("prompts.api.urls")),
    path("api/v1/", include("tenants.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
    # Last of `api/`: whatever is not listed above is a problem, not a page.
    re_path(r"^api/", nowhere),
    path("ws/stats", SocketStatsView.as_view(), name="ws-stats"),
    path("hooks/<str:token>", HookView.as_view(), name="hook"),
    path("health", health.HealthView.as_view(), name="health"),
    path(
        "health/detailed",
        health.DetailedHealthView.as_view(
            checks={
                "database": health.database,
                "worker": worker,
                "channel_layer": health.channel_layer,
            }
        ),
        name="health-detailed",
    ),
]
