"""A real Bursar server, a relay before it that fails as told, and a provider that is played."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

import bursar.govern
import bursar.wire
from bursar import Client

bursar.govern.END_SECONDS = bursar.wire.ATTEMPT_SECONDS = 60.0  # no test is about how fast the machine is

ROOT = Path(__file__).resolve().parents[3]
KEY = "bsk_admin_of-the-tests"

_binary: str | None = os.environ.get("BURSAR")


def binary() -> str:
    global _binary
    if _binary is None:
        _binary = os.path.join(tempfile.mkdtemp(prefix="bursar-"), "bursar")
        subprocess.run(["go", "build", "-o", _binary, "./cmd/bursar"], cwd=ROOT, check=True)
    return _binary


class Server:
    """A server with its data, which may be killed and started again at the same address."""

    def __init__(self) -> None:
        self.data = tempfile.mkdtemp(prefix="bursar-data-")
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [binary(), "serve", "--listen", self.address, "--data", self.data],
            env={**os.environ, "BURSAR_ADMIN_KEY": KEY},
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            said = json.loads(line)
            if said.get("msg") == "listening":
                self.address = said["addr"]
                break
        else:
            raise AssertionError("the server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        if self.process.stderr is not None:
            self.process.stderr.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-KEY": KEY, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            return json.loads(reply.read())


class Relay:
    """Passes requests on to the server, but for those that it is told to fail.

    `plan` has what becomes of the next requests: a status to answer, with nothing sent on, or
    "lose", whose request is sent on and whose answer is not; "lose and go" also takes no more
    connections.
    """

    def __init__(self, server: Server) -> None:
        self.plan: list[int | str] = []
        self.seen: list[tuple[str, str, Any, str | None]] = []  # method, path, body, Idempotency-Key
        self.connections = 0
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                relay.connections += 1

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                relay.seen.append((self.command, self.path, json.loads(body or b"null"), self.headers.get("Idempotency-Key")))
                todo = relay.plan.pop(0) if relay.plan else "pass"
                if isinstance(todo, int):
                    return self.answer(todo, b'{"code":"Played","message":"played"}')
                to = HTTPConnection(urlsplit(server.url).netloc)
                to.request(self.command, self.path, body or None, {k: v for k, v in self.headers.items() if k != "Host"})
                reply = to.getresponse()
                said = reply.read()
                to.close()
                if todo == "lose and go":
                    relay.http.socket.close()
                if todo in ("lose", "lose and go"):
                    self.close_connection = True
                    self.connection.close()
                    return None
                return self.answer(reply.status, said, reply.headers.get("X-Request-Id"))

            def answer(self, status: int, body: bytes, trace: str | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if trace:
                    self.send_header("X-Request-Id", trace)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = pass_on

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    pass

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class World(unittest.TestCase):
    """acme, whose agents have limits of output tokens; each test makes its own agents."""

    server: Server
    relay: Relay
    agents = 0

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.relay = Relay(cls.server)
        cls.addClassCleanup(cls.relay.close)
        api = cls.server.api
        api("PUT", "/entity-types", {"types": [{"id": "agent", "displayName": "Agent", "attributionKeys": ["agentId"]}]})
        for kind in ("input", "output"):
            meter = {"eventName": "llm", "aggregation": {"function": "SUM", "field": f"tokens.{kind}"}, "filters": []}
            api("POST", "/features", {"id": kind, "displayName": kind, "featureType": "NUMBER", "meter": meter})
        api("POST", "/features", {"id": "pages", "displayName": "Pages", "featureType": "NUMBER"})
        api("POST", "/customers", {"id": "acme"})

    def setUp(self) -> None:
        self.relay.plan.clear()
        self.relay.seen.clear()
        self.warned: list[str] = []

    def client(self, url: str | None = None, **options: Any) -> Client:
        client = Client(url or self.relay.url, KEY, on_warning=self.warned.append, **{"timeout": 60, **options})
        self.addCleanup(client.close)
        return client

    def agent(self, output: int | None = None, **more: int | None) -> str:
        """An agent with a limit of output, and of other features."""
        World.agents += 1
        name = f"agent-{World.agents}"
        self.server.api("PUT", "/customers/acme/entities", {"entities": [{"id": name, "entityTypeId": "agent"}]})
        limits = {"output": output, "input": None, **more}
        rows = [{"entityId": name, "featureId": f, "usageLimit": n, "cadence": "P100Y"} for f, n in limits.items()]
        self.server.api("PUT", "/customers/acme/assignments", {"assignments": rows})
        return name

    def row(self, agent: str, feature: str = "output") -> Any:
        rows = self.server.api("GET", f"/customers/acme/governance?featureIds={feature}&entityIdSearch={agent}")["data"]
        return next(r for r in rows if r["entityId"] == agent)

    def used(self, agent: str, feature: str = "output") -> Any:
        return self.row(agent, feature)["currentUsage"]

    def holds(self, agent: str, status: str = "OPEN") -> list[Any]:
        found: list[Any] = self.server.api("GET", f"/customers/acme/reservations?entityId={agent}&status={status}")["data"]
        return found

    def eventually(self, what: Callable[[], Any], want: Any) -> None:
        until = time.monotonic() + 60
        while what() != want and time.monotonic() < until:
            time.sleep(0.02)
        self.assertEqual(what(), want)
