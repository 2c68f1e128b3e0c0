"""Pages of our own beside those of Django: what each needs to stand in the frame of the admin."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse


def page_context(page: ModelAdmin, request: HttpRequest, title: str) -> dict[str, Any]:
    """The context of a page under the list of `page`; `title` ends its breadcrumbs."""
    request.current_app = page.admin_site.name
    request.page_title = title  # type: ignore[attr-defined]
    return {**page.admin_site.each_context(request), "opts": page.opts, "title": title}


def dialog_done(request: HttpRequest, page: ModelAdmin, object_id: Any = None) -> HttpResponse:
    """Go to the row's page, or to the list without one. A dialog posts in the background, so the
    browser has to be told to leave the page that it covers.
    """
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}"
    url = (
        reverse(f"{name}_change", args=[object_id]) if object_id else reverse(f"{name}_changelist")
    )
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
