"""How the admin looks: unfold's settings, all by dotted path, so that the ground floor knows no app."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy as _


def unfold_settings() -> dict[str, Any]:
    """The UNFOLD dictionary."""
    return {
        "SITE_TITLE": "Orkesta",
        "SITE_HEADER": "Orkesta",
        "SITE_SYMBOL": "graph_3",
        "SHOW_HISTORY": True,
        "SHOW_VIEW_ON_SITE": False,
    }
