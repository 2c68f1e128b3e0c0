"""The admin site of Orkesta."""

from django.contrib.admin.apps import AdminConfig
from unfold.sites import UnfoldAdminSite


class OrkestaAdminSite(UnfoldAdminSite):
    """Unfold's site."""


class OrkestaAdminConfig(AdminConfig):
    default_site = "orkesta.admin_site.OrkestaAdminSite"
    default = False
