import pytest

from orkesta.crypto import Secret
from routing.errors import ToolFailed, ToolRetry
from routing.tools import Recovery, Risk, check_tool, run_tool
from routing.tools.http_plan import HttpPlanInvalid, Place, check_headers
from tests.fakes.tool_server import serve_tools
from tests.routing.tool_calls import a_call, http_tool

KEY = "Bearer sk-live-4f2a9c71e0"

pytestmark = pytest.mark.usefixtures("tool_calls")


async def test_arguments_go_where_the_tool_says() -> None:
    async with serve_tools() as shop:
        tool = http_tool(
            shop.url("/orders/{order}/lines"),
            method="POST",
            places={
                "page": (Place.QUERY, "page[number]"),
                "store": (Place.HEADER, "X-Store"),
                "sku": (Place.BODY, "item_code"),
            },
        )
        arguments = {"order": "A/7 ?", "page": 2, "store": "norte", "sku": "PVC-10", "quantity": 3}
        await run_tool(tool, arguments, a_call())
        asked = shop.asked[0]
        assert (asked.method, asked.target) == (
            "POST",
            "/orders/A%2F7%20%3F/lines?page%5Bnumber%5D=2",
        )
        assert asked.data == {"item_code": "PVC-10", "quantity": 3}
        assert asked.headers["x-store"] == "norte"
        assert asked.headers["idempotency-key"] == "task:3:call-1"


async def test_a_method_without_a_body_asks_by_query() -> None:
    async with serve_tools() as shop:
        tool = http_tool(shop.url("/stock?shop=1"))
        await run_tool(tool, {"sku": ["a", "b"], "fresh": True, "none": None}, a_call())
        assert shop.asked[0].target == "/stock?shop=1&sku=a&sku=b&fresh=true"
        assert "idempotency-key" not in shop.asked[0].headers


async def test_it_says_for_whom_it_is_made_and_the_model_cannot() -> None:
    async with serve_tools() as shop:
        tool = http_tool(shop.url("/order"), method="POST", status_url=shop.url("/calls/{key}"))
        arguments = {"X-Orkesta-User": "somebody-else"}
        await run_tool(tool, arguments, a_call(user_ref="María ñ/\r\nx@y:7"))
        await check_tool(tool, a_call(user_ref="María"))
        await run_tool(tool, {}, a_call(user_ref=""))
        users = [asked.headers.get("x-orkesta-user") for asked in shop.asked]
        assert users == ["Mar%C3%ADa%20%C3%B1%2F%0D%0Ax@y:7", "Mar%C3%ADa", None]


@pytest.mark.parametrize("name", ["X-Orkesta-User", "x-orkesta-user"])
def test_no_tool_says_it_by_itself(name: str) -> None:
    with pytest.raises(HttpPlanInvalid):
        check_headers({name: "somebody-else"})


async def test_a_form_is_sent_as_forms_are() -> None:
    async with serve_tools() as shop:
        tool = http_tool(shop.url("/pay"), method="POST", body_format="form")
        await run_tool(tool, {"amount": 12.5, "lines": [{"a": 1}]}, a_call())
        assert shop.asked[0].body == b"amount=12.5&lines=%7B%22a%22%3A1%7D"


@pytest.mark.parametrize("value", ["", ".", "..", None, ["a"], {"a": 1}])
async def test_no_argument_walks_out_of_its_segment(value: object) -> None:
    async with serve_tools() as shop:
        with pytest.raises(ToolRetry):
            await run_tool(http_tool(shop.url("/orders/{order}")), {"order": value}, a_call())
        assert shop.asked == []


async def test_the_answer_is_given_as_text_and_as_data() -> None:
    async with serve_tools() as shop:
        shop.say(200, b'{"price": 12.5}')
        result = await run_tool(http_tool(shop.url("/price")), {}, a_call())
        assert (result.text, result.data, result.is_truncated) == (
            '{"price": 12.5}',
            {"price": 12.5},
            False,
        )


async def test_what_the_server_calls_a_mistake_goes_back_to_the_model() -> None:
    async with serve_tools() as shop:
        shop.say(422, b'{"detail": "quantity must be positive"}')
        with pytest.raises(ToolRetry, match=r"422: .*quantity must be positive"):
            await run_tool(http_tool(shop.url("/order")), {}, a_call())


async def test_a_secret_is_sent_and_never_said_back() -> None:
    async with serve_tools() as shop:
        tool = http_tool(shop.url("/x"), secret_header="Authorization", secret=Secret(KEY))
        result = await run_tool(tool, {}, a_call())
        assert shop.asked[0].headers["authorization"] == KEY
        assert "4f2a9c71e0" not in result.text + str(result.data)
        shop.say(400, f'{{"you sent": "{KEY}"}}'.encode())
        with pytest.raises(ToolRetry) as caught:
            await run_tool(tool, {}, a_call())
        assert "4f2a9c71e0" not in caught.value.message
        shop.say(401, KEY.encode())
        with pytest.raises(ToolFailed) as refused:
            await run_tool(tool, {}, a_call())
        assert "4f2a9c71e0" not in refused.value.message + repr(refused.value.__cause__)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_read_is_tried_again_when_the_server_says_not_now(status: int) -> None:
    async with serve_tools() as shop:
        shop.say(status)
        await run_tool(http_tool(shop.url("/stock")), {}, a_call())
        assert len(shop.asked) == 2


async def test_a_write_is_tried_again_only_when_its_key_makes_that_safe() -> None:
    async with serve_tools() as shop:
        shop.say(503)
        once = http_tool(shop.url("/o"), method="POST", risk=Risk.WRITE, recovery=Recovery.NEVER)
        with pytest.raises(ToolFailed) as caught:
            await run_tool(once, {}, a_call())
        assert caught.value.details == {"status": 503, "is_outcome_unknown": True}
        shop.say(503)
        again = http_tool(shop.url("/o"), method="POST", risk=Risk.WRITE)
        await run_tool(again, {}, a_call())
        keys = {asked.headers["idempotency-key"] for asked in shop.asked}
        assert (len(shop.asked), len(keys)) == (3, 1)


async def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    async with serve_tools() as shop:
        shop.say(429, retry_after="60")
        with pytest.raises(ToolFailed) as caught:
            await run_tool(http_tool(shop.url("/stock")), {}, a_call())
        assert (caught.value.retry_after_seconds, len(shop.asked)) == (60.0, 1)


async def test_a_call_that_may_have_arrived_is_asked_after() -> None:
    async with serve_tools() as shop:
        tool = http_tool(
            shop.url("/orders"), method="POST", status_url=shop.url("/calls/{key}"), risk=Risk.WRITE
        )
        assert await check_tool(tool, a_call()) is None
        await run_tool(tool, {}, a_call())
        found = await check_tool(tool, a_call())
        assert found is not None
        assert found.data == {"state": "done"}


async def test_a_tool_without_a_status_url_says_that_nobody_can_tell() -> None:
    with pytest.raises(ToolFailed):
        await check_tool(http_tool("http://127.0.0.1:1/x"), a_call())
