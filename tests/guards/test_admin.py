import ast

from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin

from tenants.admin.model_admin import GuardedModelAdmin, TenantModelAdmin
from tenants.scope import has_tenant
from tests.guards.sources import product_sources

OURS = ("tenants", "prompts", "routing", "conversations", "auth")


def our_pages() -> list[admin.ModelAdmin]:
    return [page for page in admin.site._registry.values() if page.model._meta.app_label in OURS]


def test_rows_of_tenants_are_shown_by_the_tenants_admin_only() -> None:
    plain = [
        page.model._meta.label
        for page in our_pages()
        if has_tenant(page.model) and not isinstance(page, TenantModelAdmin)
    ]
    assert plain == []


def test_every_other_page_is_guarded_too() -> None:
    assert our_pages()
    plain = [
        page.model._meta.label for page in our_pages() if not isinstance(page, GuardedModelAdmin)
    ]
    assert plain == []


def test_nothing_foreign_is_registered() -> None:
    labels = {model._meta.label for model in admin.site._registry}
    assert {label for label in labels if label.split(".")[0] not in OURS} == set()


def test_no_inline_shows_rows_that_its_page_does_not_guard() -> None:
    loose = [
        f"{page.model._meta.label} → {inline.model._meta.label}"
        for page in our_pages()
        for inline in page.inlines
        if issubclass(inline, InlineModelAdmin)
        and has_tenant(inline.model)
        and not has_tenant(page.model)
    ]
    assert loose == []


def test_plain_admin_classes_are_extended_in_one_file_only() -> None:
    plain = {"ModelAdmin", "TabularInline", "StackedInline", "UserAdmin", "GroupAdmin"}
    found = {
        f"{source.name} {node.name}"
        for source in product_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        and plain & {ast.unparse(base).split(".")[-1] for base in node.bases}
    }
    assert found == {"tenants/admin/model_admin.py GuardedModelAdmin"}
