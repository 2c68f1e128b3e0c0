import pytest

from conversations.models import Message
from tenants.scope import tenant_scope
from tests.callers import Caller, assert_problem
from tests.cast import House, make_session


def walk(api: Caller, path: str, *, between: object = None) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = api.get(f"{path}?limit=2{cursor}").json()
        pages.append([item.get("session_id") or item["content"] for item in page["items"]])
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"]:
            return pages
        cursor = f"&cursor={page['next_cursor']}"
        if callable(between):
            between()


def newest_first(house: House, count: int) -> list[str]:
    return sorted((str(make_session(house.tenant).id) for _ in range(count)), reverse=True)


def test_pages_hold_every_row_once(acme: House, acme_api: Caller) -> None:
    ids = newest_first(acme, 5)
    assert walk(acme_api, "/api/v1/sessions") == [ids[:2], ids[2:4], ids[4:]]


def test_a_page_that_ends_with_the_list_has_no_next(acme: House, acme_api: Caller) -> None:
    ids = newest_first(acme, 4)
    assert walk(acme_api, "/api/v1/sessions") == [ids[:2], ids[2:]]
    assert walk(acme_api, "/api/v1/tasks") == [[]]


def test_pages_stay_right_while_rows_are_added(acme: House, acme_api: Caller) -> None:
    ids = newest_first(acme, 6)
    pages = walk(acme_api, "/api/v1/sessions", between=lambda: make_session(acme.tenant))
    assert [row for page in pages for row in page] == ids


def test_a_log_is_paged_from_its_beginning(acme: House, acme_api: Caller) -> None:
    session = make_session(acme.tenant)

    def say(seq: int) -> None:
        with tenant_scope(acme.id):
            Message.objects.create(
                session=session, seq=seq, turn=seq, role="user", content=str(seq)
            )

    for seq in (3, 1, 2):
        say(seq)
    late = iter([4, 5, 6])
    pages = walk(
        acme_api,
        f"/api/v1/sessions/{session.id}/messages",
        between=lambda: [say(seq) for seq in late],
    )
    assert pages == [["1", "2"], ["3", "4"], ["5", "6"]]


def test_a_page_has_25_items_and_at_most_100(acme: House, acme_api: Caller) -> None:
    for _ in range(27):
        make_session(acme.tenant)
    assert len(acme_api.get("/api/v1/sessions").json()["items"]) == 25
    assert len(acme_api.get("/api/v1/sessions?limit=100").json()["items"]) == 27
    response = acme_api.get("/api/v1/sessions?limit=101")
    body = assert_problem(response, 422, "validation_failed")
    assert body["errors"][0]["pointer"] == "?limit"


@pytest.mark.parametrize(
    "garble", [lambda c: c[:-1], lambda c: c + "A", lambda c: "!" + c[1:], str.upper]
)
def test_a_garbled_cursor_is_refused(acme: House, acme_api: Caller, garble: object) -> None:
    for _ in range(2):
        make_session(acme.tenant)
    cursor = acme_api.get("/api/v1/sessions?limit=1").json()["next_cursor"]
    response = acme_api.get(f"/api/v1/sessions?cursor={garble(cursor)}")  # type: ignore[operator]
    assert_problem(response, 400, "malformed_cursor")


def test_a_cursor_of_another_kind_of_list_is_refused(acme: House, acme_api: Caller) -> None:
    session = make_session(acme.tenant)
    make_session(acme.tenant)
    cursor = acme_api.get("/api/v1/sessions?limit=1").json()["next_cursor"]
    response = acme_api.get(f"/api/v1/sessions/{session.id}/messages?cursor={cursor}")
    assert_problem(response, 400, "malformed_cursor")


def test_a_cursor_of_another_tenant_shows_nothing_of_it(
    acme: House, acme_api: Caller, rival: House, rival_api: Caller
) -> None:
    for _ in range(3):
        make_session(acme.tenant)
    mine = make_session(rival.tenant)
    cursor = acme_api.get("/api/v1/sessions?limit=1").json()["next_cursor"]
    items = rival_api.get(f"/api/v1/sessions?cursor={cursor}").json()["items"]
    assert {item["session_id"] for item in items} <= {str(mine.id)}
