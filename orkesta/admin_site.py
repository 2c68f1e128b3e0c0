"""The admin site of Orkesta: unfold's, closed where it would show one tenant's data to another."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from csp.decorators import csp_replace
from django.contrib.admin.apps import AdminConfig
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.i18n import set_language
from unfold.dataclasses import SearchResult
from unfold.sites import UnfoldAdminSite

#: Alpine, which drives unfold's pages, compiles expressions and writes inline handlers. Only pages
#: under the admin get this; that is also why nothing there may render text unescaped.
RELAXED_CSP: Final = {"script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"]}
#: Results of the command palette per kind of row.
MAX_FOUND: Final = 8

View = Callable[..., HttpResponse]
relax_csp: Callable[[View], View] = csp_replace(RELAXED_CSP)


class OrkestaAdminSite(UnfoldAdminSite):
    """One site for tenants' staff and superusers; who sees what follows from the request."""

    site_title = site_header = "Orkesta"
    index_title = _("Dashboard")
    enable_nav_sidebar = True
    final_catch_all_view = True

    def get_urls(self) -> list[URLPattern]:
        """Without `r/`, which would tell the address of any row of any tenant."""
        urls = [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]
        return [path("language/", set_language, name="set_language"), *urls]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        return relax_csp(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return relax_csp(super().login)(request, extra_context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The command palette. Unfold keeps its results per person for five minutes, whatever the
        tenant; here nothing is kept, and each kind of row answers with a few.
        """
        term = request.GET.get("s", "").replace("\x00", "").strip().lower()
        if not term:
            return HttpResponse()
        started = perf_counter()
        # Unfold narrows the list that it is given, so each search gets a list of its own.
        results = self._search_apps(self.get_app_list(request), term)
        results += self._found_rows(request, self.get_app_list(request), term)
        all_on_one_page = Paginator(results, max(1, len(results)))
        context = {
            "page_obj": all_on_one_page,
            "results": all_on_one_page.page(1),
            "page_counter": 0,
            "execution_time": perf_counter() - started,
            "search_term": term,
        }
        template = "unfold/helpers/command_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})

    def _found_rows(
        self, request: HttpRequest, apps: list[dict[str, Any]], term: str
    ) -> list[SearchResult]:
        found = []
        for model in (model["model"] for app in apps for model in app["models"]):
            page = self._registry[model]
            if not page.get_search_fields(request):
                continue
            rows, may_repeat = page.get_search_results(request, page.get_queryset(request), term)
            rows = rows.distinct() if may_repeat else rows
            found += [self._result(row) for row in rows[:MAX_FOUND]]
        return found

    def _result(self, row: Any) -> SearchResult:
        opts = row._meta
        try:
            link = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
        except NoReverseMatch:
            link = ""
        return SearchResult(str(row), str(opts.verbose_name), link, "arrow_right_alt")


class OrkestaAdminConfig(AdminConfig):
    default_site = "orkesta.admin_site.OrkestaAdminSite"
    default = False
