import json
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from orkesta.env import PROJECT_ROOT
from tests.browser.chromium import chromium
from tests.serving import Served

#: One process for all tests that share the server that they start.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("live-shop")]

#: Loses its connection after every third event, and tells of the text once it is whole.
FOLLOW = """
() => new Promise((resolve, reject) => {
  let left = 3, drops = 0;
  const live = new OrkestaLive({
    getTicket: () => askForTicket().then(JSON.parse),
    onEnd: (code, error) => reject(new Error(`${code} ${error?.code}`)),
    onEvent: (event) => {
      if (event.type === "chat.response") {
        live.stop();
        const shown = live.texts.get(event.data.message_id).join("");
        resolve({ shown, content: event.data.content, drops });
      } else if (--left === 0) {
        left = 3;
        drops += 1;
        live.socket.close();
      }
    },
  });
  setTimeout(() => reject(new Error("no answer")), 20000);
  live.start();
  live.send("¿Cuánto cuesta el tubo PVC hidráulico de 1/2? Quiero saber también el de 3/4");
})
"""


def give_page_the_client(page: Page) -> None:
    source = (PROJECT_ROOT / "examples/client/live.js").read_text()
    page.add_script_tag(
        content=f"{source.replace('export class', 'class')}\nwindow.OrkestaLive = OrkestaLive;"
    )


def follow(live_shop: Served, session_id: str) -> Any:
    """What the page saw; its tickets come from the test, as from a shop's own server."""

    def ask_for_ticket() -> str:
        body = {"session_id": session_id, "origin": origin}
        return json.dumps(live_shop.call("POST", "/api/v1/ws/tickets", body))

    origin = f"http://127.0.0.1:{live_shop.port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(bypass_csp=True).new_page()
        page.set_default_timeout(15_000)
        page.goto(f"{origin}/health")
        page.expose_function("askForTicket", ask_for_ticket)
        give_page_the_client(page)
        seen = page.evaluate(FOLLOW)
        browser.close()
    return seen


def test_a_page_that_drops_every_few_events_shows_the_same_text(live_shop: Served) -> None:
    session_id = live_shop.call("POST", "/api/v1/sessions", {})["session_id"]
    seen = follow(live_shop, session_id)
    said = live_shop.call("GET", f"/api/v1/sessions/{session_id}/messages")["items"]
    assert seen["shown"] == seen["content"] == said[-1]["content"]
    assert seen["drops"] > 2
