"""An MCP server that is a process: `python -m tests.fakes.mcp_command [--behave HOW] MARK`.

It adds a line with its process id to the file MARK, and is honest but for what HOW says.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TOOL = {"name": "price", "description": "The price.", "inputSchema": {"type": "object"}}
ANSWERS: dict[str, Any] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "command", "version": "1"},
    },
    "tools/list": {"tools": [TOOL]},
    "tools/call": {"content": [{"type": "text", "text": str(os.getpid())}]},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--behave", default="")
    parser.add_argument("mark", type=Path)
    options = parser.parse_args()
    with options.mark.open("a") as mark:
        mark.write(f"{os.getpid()}\n")
    begin(options.behave, options.mark)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("method") == "tools/call":
            misbehave(options.behave, options.mark)
        if "id" not in request:
            continue
        if request["method"] in ANSWERS:
            answer = {"result": ANSWERS[request["method"]]}
        else:
            answer = {"error": {"code": -32601, "message": "Method not found"}}
        say(json.dumps({"jsonrpc": "2.0", "id": request["id"]} | answer))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def begin(how: str, mark: Path) -> None:
    if how == "exits":
        sys.exit("I cannot.")
    if how == "banner":
        say("Welcome!\n\n\x1b[1mReady\xff")
    if how == "tells":
        sys.stderr.write("key sk-live-4f2a9c71e0aa11bb22\n" + "x" * 100_000)
        sys.stderr.flush()
    if how == "child":
        child = subprocess.Popen(["/bin/sleep", "600"])
        with mark.open("a") as file:
            file.write(f"{child.pid}\n")


def misbehave(how: str, mark: Path) -> None:
    is_first = len(mark.read_text().splitlines()) == 1
    if how == "dies" or (how == "dies once" and is_first):
        os._exit(3)
    if how == "hangs":
        time.sleep(600)
    while how == "huge":
        sys.stdout.write("x" * 65_536)
    while how == "garbage":
        sys.stdout.write("nothing of use\n")


if __name__ == "__main__":
    main()
