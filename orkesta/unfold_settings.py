"""How the admin looks: unfold's settings. Apps are named by dotted path only: none is imported."""

from collections.abc import Callable
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

#: Teal, from the palest to the darkest.
TEAL: Final = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(77.7% .152 181.912)",
    "500": "oklch(63% .115 182.503)",
    "600": "oklch(55.5% .098 183.5)",
    "700": "oklch(48% .085 185.5)",
    "800": "oklch(43.7% .078 188.216)",
    "900": "oklch(38.6% .063 188.416)",
    "950": "oklch(27.7% .046 192.524)",
}


def unfold_settings() -> dict[str, Any]:
    """The UNFOLD dictionary."""
    return {
        "SITE_TITLE": "Orkesta",
        "SITE_HEADER": "Orkesta",
        "SITE_SUBHEADER": "tenants.admin.navigation.tenant_name",
        "SITE_DROPDOWN": "tenants.admin.navigation.tenant_choices",
        "SITE_SYMBOL": "graph_3",
        "SITE_URL": None,
        "SITE_FAVICONS": [
            {
                "rel": "icon",
                "type": "image/svg+xml",
                "href": lambda request: static("orkesta/icon.svg"),
            }
        ],
        "ENVIRONMENT": "orkesta.unfold_settings.environment_label",
        "DASHBOARD_CALLBACK": "conversations.admin.dashboard.fill",
        "SHOW_HISTORY": True,
        "SHOW_VIEW_ON_SITE": False,
        "SHOW_LANGUAGES": True,
        "SHOW_BACK_BUTTON": True,
        "LANGUAGES": {"action": reverse_lazy("admin:set_language")},
        "BORDER_RADIUS": "8px",
        "COLORS": {"primary": TEAL},
        "STYLES": [lambda request: static("orkesta/orkesta.css")],
        "SCRIPTS": [lambda request: static("orkesta/orkesta.js")],
        "COMMAND": {"search_models": True, "show_history": False},
        "SIDEBAR": {
            "show_search": True,
            "command_search": True,
            "show_all_applications": False,
            "navigation": _navigation(),
        },
    }


def environment_label(request: HttpRequest) -> list[str] | None:
    """What keeps people from taking a development installation for the real one."""
    return [str(_("Development")), "warning"] if settings.DEBUG else None


def _navigation() -> list[dict[str, Any]]:
    return [
        {
            "title": _("Operation"),
            "items": [
                {"title": _("Dashboard"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
                _link(_("Live"), "sensors", "conversations.Task", "live"),
                _link(_("Conversations"), "forum", "conversations.Session"),
                _link(_("Tasks"), "task_alt", "conversations.Task"),
                _link(_("Requests to people"), "how_to_reg", "conversations.InputRequest")
                | {"badge": "conversations.admin.inbox.waiting_badge"},
                _link(_("Usage and budget"), "payments", "tenants.UsageDay"),
            ],
        },
        {
            "title": _("AI configuration"),
            "separator": True,
            "items": [
                _link(_("Agents"), "smart_toy", "routing.Agent"),
                _link(_("Prompts"), "edit_note", "prompts.Prompt"),
                _link(_("Routing rules"), "alt_route", "routing.RoutingRule"),
                _link(_("Tools"), "build", "routing.Tool"),
                _link(_("MCP servers"), "dns", "routing.McpServer"),
                _link(_("LLM endpoints"), "hub", "routing.LLMEndpoint"),
            ],
        },
        {
            "title": _("Triggers"),
            "separator": True,
            "collapsible": True,
            "items": [
                _link(_("Schedules"), "schedule", "conversations.Schedule"),
                _link(_("Runs of schedules"), "history", "conversations.ScheduleRun"),
                _link(_("Inbound webhooks"), "call_received", "conversations.InboundWebhook"),
                _link(_("Webhooks"), "webhook", "conversations.WebhookEndpoint"),
                _link(_("Deliveries"), "outgoing_mail", "conversations.WebhookDelivery"),
            ],
        },
        {
            "title": _("Administration"),
            "separator": True,
            "collapsible": True,
            "items": [
                _link(_("Tenants"), "apartment", "tenants.Tenant"),
                _link(_("Tiers"), "stacked_bar_chart", "tenants.Tier"),
                _link(_("Tier overrides"), "tune", "tenants.TierOverride"),
                _link(_("LLM prices"), "sell", "tenants.LLMPrice"),
                _link(_("Members"), "group", "tenants.Membership"),
                _link(_("API keys"), "key", "tenants.ApiKey"),
                _link(_("Audit log"), "history", "tenants.AuditEntry"),
                _link(_("Users"), "person", "auth.User"),
                _link(_("Installation log"), "history", "tenants.InstallationEntry"),
            ],
        },
    ]


def _link(title: Any, icon: str, label: str, page: str = "changelist") -> dict[str, Any]:
    place = label.lower().replace(".", "_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{place}_{page}"),
        "permission": _may_view(label),
    }


def _may_view(label: str) -> Callable[[HttpRequest], bool]:
    """Whether the person may see the list of these rows, asked of the page that shows them."""

    def permission(request: HttpRequest) -> bool:
        page = admin.site.get_model_admin(apps.get_model(label))
        return bool(page.has_view_permission(request))

    return permission
