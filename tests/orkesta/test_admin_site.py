import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client

from orkesta.admin_site import MAX_FOUND, OrkestaAdminSite
from tests.admin import XSS, desk_of, make_superuser, make_turn, superuser_in
from tests.cast import House, make_agent


def test_the_site_is_ours() -> None:
    assert isinstance(admin.site, OrkestaAdminSite)


def test_the_palette_finds_pages_and_own_rows_only(acme: House, rival: House) -> None:
    make_agent(acme.tenant, "mortar")
    make_agent(rival.tenant, "mortar-of-the-rival")
    page = desk_of(acme).get("search", s="MORTAR", extended=1).content.decode()
    assert "Mortar" in page
    assert "rival" not in page.lower()
    assert "/admin/routing/agent/" in desk_of(acme).get("search", s="agents").content.decode()


def test_the_palette_forgets_what_another_tenant_was_shown(acme: House, rival: House) -> None:
    cache.clear()
    make_agent(acme.tenant, "mortar")
    desk = superuser_in(acme)
    assert "Mortar" in desk.get("search", s="mortar", extended=1).content.decode()
    desk.enter(rival.tenant)
    assert "Mortar" not in desk.get("search", s="mortar", extended=1).content.decode()


def test_the_palette_shows_a_few_of_many_and_escapes_them(acme: House) -> None:
    for _ in range(MAX_FOUND + 5):
        make_turn(acme.tenant, user_name=XSS)
    page = desk_of(acme).get("search", s="script", extended=1).content.decode()
    assert page.count("/admin/conversations/session/") == MAX_FOUND
    assert "<script>alert" not in page


@pytest.mark.parametrize("query", [{"s": "\x00"}, {"s": ""}, {}, {"s": "a", "page": "many"}])
def test_the_palette_takes_any_question(acme: House, query: dict[str, str]) -> None:
    assert desk_of(acme).get("search", extended=1, **query).status_code == 200


def test_only_pages_of_the_admin_may_run_inline_scripts(acme: House) -> None:
    desk = desk_of(acme)
    for response in (desk.get("index"), Client().get("/admin/login/")):
        policy = response["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-inline' 'unsafe-eval'" in policy
        assert "default-src 'none'" in policy
        assert "http" not in policy
    assert "unsafe-eval" not in Client().get("/nowhere/")["Content-Security-Policy"]


def test_strangers_are_sent_to_the_door_and_led_back(acme: House) -> None:
    response = Client().get("/admin/routing/agent/")
    assert response["Location"] == "/admin/login/?next=/admin/routing/agent/"
    client = Client()
    form = {"username": "owner-acme", "password": "pass"}
    assert client.post("/admin/login/", form)["Location"] == "/admin/"
    assert client.post("/admin/logout/").status_code == 200
    assert client.get("/admin/")["Location"].startswith("/admin/login/")


def test_a_person_without_staff_rights_stays_outside(acme: House) -> None:
    user = make_superuser("former")
    user.is_staff = user.is_superuser = False
    user.save()
    form = {"username": "former", "password": "pass"}
    assert Client().post("/admin/login/", form).status_code == 200
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/").status_code == 302


def test_cross_site_posts_are_refused(acme: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(acme.owner, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post("/admin/tenants/tenant/switch/", {"tenant": str(acme.id)})
    assert response.status_code == 403
