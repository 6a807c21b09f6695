"""A local web server that can be told to misbehave, for the tests of downloads."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from adrepro.datasets.entries import Archive

BODY = bytes(range(256)) * 4000


@dataclass
class Server:
    """What the local server does, and the Range headers that it was asked with."""

    base: str = ""
    body: bytes = BODY
    ranges: bool = True
    cut: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirect: str = ""
    asked: list[str | None] = field(default_factory=list)

    def archive(self, **changes: object) -> Archive:
        made = Archive(
            url=f"{self.base}/a.tar",
            filename="a.tar",
            sha256=hashlib.sha256(self.body).hexdigest(),
            size=len(self.body),
        )
        return replace(made, **changes)


@contextmanager
def serve() -> Iterator[Server]:
    """Run the server on a free port of this machine."""
    plan = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            plan.asked.append(wanted)
            if plan.redirect:
                self.send_response(302)
                self.send_header("Location", plan.redirect)
                self.end_headers()
                return
            if plan.statuses:
                self.send_error(plan.statuses.pop(0))
                return
            start = 0
            if wanted and plan.ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
                if start >= len(plan.body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(plan.body)}")
                    self.end_headers()
                    return
            self.send_response(206 if start else 200)
            if start:
                last = len(plan.body) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(plan.body)}")
            self.send_header("Content-Length", str(len(plan.body) - start))
            self.end_headers()
            end = plan.cut.pop(0) if plan.cut else len(plan.body)
            self.wfile.write(plan.body[start:end])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    plan.base = f"http://127.0.0.1:{http.server_port}"
    try:
        yield plan
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
