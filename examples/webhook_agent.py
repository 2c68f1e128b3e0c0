import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            asked = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            return self.send_error(401)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in ("You said: ", asked["message"]):
            self.wfile.write(b"data: " + json.dumps({"delta": piece}).encode() + b"\n\n")


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Agent).serve_forever()
