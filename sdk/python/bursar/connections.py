"""Connections to the server that are kept open between calls, for any number of threads."""

from __future__ import annotations

import http.client
import ssl
import threading
from urllib.parse import urlsplit

from .errors import Unavailable
from .forks import begins_anew
from .wire import Call, Headers, T

MAX_IDLE = 64
MAX_REPLY = 32 << 20
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Connections:
    def __init__(self, base_url: str, context: ssl.SSLContext | None = None) -> None:
        url = urlsplit(base_url.rstrip("/"))
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise ValueError(f"bursar: the address of the server is to be as http://127.0.0.1:8080, not {base_url!r}")
        self._host, self._port, self._prefix = url.hostname, url.port, url.path
        self._context = (context or ssl.create_default_context()) if url.scheme == "https" else None
        self.forked()
        begins_anew(self)

    def forked(self) -> None:
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def exchange(self, call: Call[T], api_key: str, timeout: float) -> T:
        """Sends the call once."""
        content, headers = call.content(), call.headers(api_key)
        connection = self._take()
        try:
            if connection is not None:
                try:
                    return call.read(*self._send(connection, call, content, headers, timeout))
                except _STALE:
                    pass  # the server closed it while it was idle, or has the request
            fresh = self._new(timeout, sent=connection is not None)
            return call.read(*self._send(fresh, call, content, headers, timeout))
        except (OSError, http.client.HTTPException) as e:
            raise Unavailable(f"Bursar at {self._host} cannot be asked: {e!r}") from e

    def _new(self, timeout: float, sent: bool) -> http.client.HTTPConnection:
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
        try:
            connection.connect()
        except OSError as e:
            raise Unavailable(f"Bursar at {self._host} cannot be reached: {e}", sent=sent) from e
        return connection

    def _send(
        self, connection: http.client.HTTPConnection, call: Call[T], content: bytes | None, headers: dict[str, str], timeout: float
    ) -> tuple[int, Headers, bytes]:
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request(call.method, self._prefix + call.target, body=content, headers=headers)
            reply = connection.getresponse()
            body = reply.read(MAX_REPLY + 1)
            if len(body) > MAX_REPLY:
                raise http.client.HTTPException(f"the reply is longer than {MAX_REPLY} bytes")
        except BaseException:
            connection.close()
            raise
        if reply.will_close:
            connection.close()
        else:
            self._give_back(connection)
        return reply.status, reply.headers, body

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
