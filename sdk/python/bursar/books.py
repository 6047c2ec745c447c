"""Ends of calls that wait to be recorded, because the server was away or the process ended."""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import secrets
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Callable

from .errors import BursarError
from .forks import begins_anew
from .wire import Call, backoff, dumps

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("bursar")

MAX_FILE = 1 << 20  # bytes; then it is written anew, with what is not done
MAX_UNDOS = 256
_FINAL = (400, 402, 404, 409)


def refused(e: BursarError) -> bool:
    """Whether the server has judged the request: sending it again changes nothing. A wrong key,
    or what a proxy says, is no judgement."""
    return not e.retryable and bool(e.code) and e.status in _FINAL


@dataclass
class Ticket:
    """A call that is to be made, once.

    With undo it is a hold that is to be released if no call has it. `instead` is made where
    the call is refused because what it ends has ended already.
    """

    id: str
    call: Call[Any]
    undo: bool = False
    instead: Call[Any] | None = None

    def line(self) -> bytes:
        instead = None if self.instead is None else _said(self.instead)
        return dumps({"id": self.id, **_said(self.call), "undo": self.undo, "instead": instead}) + b"\n"

    @staticmethod
    def of(said: dict[str, Any]) -> Ticket:
        return Ticket(said["id"], _call(said), said["undo"], _call(said["instead"]) if said.get("instead") else None)


def _said(c: Call[Any]) -> dict[str, Any]:
    return {"method": c.method, "path": c.path, "body": c.body, "key": c.key}


def _call(said: dict[str, Any]) -> Call[Any]:
    return Call(said["method"], said["path"], body=said["body"], key=said["key"])


class Books:
    """A bounded queue, of which a thread sends what waits; each with the key it had before.

    With a folder, what is to be sent is in a file there before it is sent. Each process has a
    file of its own, and takes over the files of processes that are gone.
    """

    def __init__(self, send: Callable[[Call[Any]], Any], server: str, size: int, folder: str | os.PathLike[str] | None) -> None:
        if folder is not None and fcntl is None:
            raise ValueError("bursar: store needs locks of files (fcntl), which this system has not")
        self._send = send
        self._size = size
        self._folder = Path(folder) if folder is not None else None
        self._name = f"bursar-{hashlib.sha256(server.encode()).hexdigest()[:8]}"
        self.forked()
        begins_anew(self)
        _all.add(self)
        if self._folder is not None:
            self._open()
            for path in sorted(self._folder.glob(f"{self._name}-*.jsonl")):
                if path != self._path:
                    self._take_over(path)

    def forked(self) -> None:
        """Begins with nothing, as in the child of a fork: the queue and its file are the parent's."""
        file: IO[bytes] | None = getattr(self, "_file", None)
        if file is not None:
            file.close()
        self._changed = threading.Condition()
        self._ends: deque[Ticket] = deque()
        self._undos: deque[Ticket] = deque()
        self._places = 0  # of calls under way that will need one
        self._running: set[str] = set()  # reservations that calls of this process have
        self._noted: dict[str, bytes] = {}  # in the file, and not done
        self._thread: threading.Thread | None = None
        self._flushing = 0
        self._closed = False
        self._file: IO[bytes] | None = None
        self._path: Path | None = None

    # What a call does.

    def claim(self, reservation: str) -> bool:
        """Takes a reservation, which no other call of this process may have then."""
        with self._changed:
            if reservation in self._running:
                return False
            self._running.add(reservation)
            return True

    def unclaim(self, reservation: str) -> None:
        with self._changed:
            self._running.discard(reservation)

    def take_place(self) -> bool:
        """Keeps room for the end of a call that nothing is held for."""
        with self._changed:
            if self._closed or len(self._ends) + self._places >= self._size:
                return False
            self._places += 1
            return True

    def give_place(self) -> None:
        with self._changed:
            self._places -= 1

    def note(self, call: Call[Any], *, undo: bool = False, instead: Call[Any] | None = None) -> Ticket:
        """Notes what is about to be sent."""
        ticket = Ticket(secrets.token_hex(8), call, undo, instead)
        with self._changed:
            if self._folder is not None and self._file is None and not self._closed:
                self._open()
            self._write(ticket)
        return ticket

    def done(self, ticket: Ticket) -> None:
        with self._changed:
            self._strike(ticket)

    def later(self, ticket: Ticket, *, placed: bool = False) -> None:
        """Has the thread send it. One that is placed has its room already."""
        with self._changed:
            queue, most = (self._undos, MAX_UNDOS) if ticket.undo else (self._ends, self._size)
            if self._closed or len(queue) >= most and not placed:
                self._strike(ticket)
                why = "the client is closed" if self._closed else f"{most} wait already"
                log.error("bursar: %s, so this is not sent (what is held is booked in the end): %s", why, _brief(ticket))
                return
            queue.append(ticket)
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="bursar", daemon=True)
                try:
                    thread.start()
                except RuntimeError as e:
                    log.error("bursar: no thread can be started to send what waits: %s", e)
                else:
                    self._thread = thread
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._ends) + len(self._undos)

    # The thread.

    def _work(self) -> None:
        failed = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or len(self) > 0)
                if self._closed:
                    return
                undo = self._undos and (failed % 2 == 1 or not self._ends)
                queue = self._undos if undo else self._ends
                ticket = queue[0]
            sent = self._sent(ticket)
            with self._changed:
                if sent:
                    failed = 0
                    queue.remove(ticket)
                    self._strike(ticket)
                    self._changed.notify_all()
                    continue
                queue.rotate(-1)  # the next one may be taken
                pause = backoff(failed) * 4
                failed += 1
                if not self._flushing:
                    self._changed.wait_for(lambda: self._closed or self._flushing > 0, pause)
                else:
                    self._changed.wait_for(lambda: self._closed, min(pause, 0.1))

    def _sent(self, ticket: Ticket) -> bool:
        """Whether it need not be sent again."""
        try:
            try:
                reply = self._send(ticket.call)
            except BursarError as e:
                if ticket.instead is None or e.status != 409 or not refused(e):
                    raise
                self._send(ticket.instead)
                return True
            if ticket.undo and reply["status"] == "OPEN" and self.claim(reply["id"]):
                try:
                    self._send(Call("POST", f"{ticket.call.path}/{reply['id']}/release", key=ticket.id))
                finally:
                    self.unclaim(reply["id"])
        except BursarError as e:
            if not refused(e):
                if not e.retryable and e.status:
                    log.error("bursar: %s waits on: %s", _brief(ticket), e)
                return False
            log.error("bursar: refused, and not sent again: %s: %s", _brief(ticket), e)
        except Exception:
            log.exception("bursar: not sent again: %s", _brief(ticket))
        return True

    def flush(self, timeout: float) -> int:
        """Waits until nothing waits, at most so many seconds; what waits still."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self) == 0 or self._closed, timeout)
            self._flushing -= 1
            return len(self)

    def close(self, timeout: float = 2.0) -> None:
        """Sends what waits. The rest is in the file for the next start, or lost with a word."""
        if self._closed:
            return
        left = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if left and self._file is None:
                log.error("bursar: %d ends of calls were not recorded: what they held is booked as an estimate, what held nothing nowhere", left)
            elif left:
                log.warning("bursar: %d ends of calls are kept in %s for the next start", left, self._path)
            if self._file is not None and self._path is not None:
                if not self._noted:
                    self._path.unlink(missing_ok=True)
                self._file.close()
                self._file = None

    # The file.

    def _open(self) -> None:
        """Makes this process's file."""
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        while self._file is None:
            self._path = self._folder / f"{self._name}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            self._file = _locked(self._path, os.O_CREAT | os.O_EXCL)

    def _take_over(self, path: Path) -> None:
        file = _locked(path)
        if file is None:
            return  # of a process that runs
        with file:
            left: dict[str, Ticket] = {}
            for line in file.read().splitlines():
                try:
                    said = json.loads(line, parse_float=Decimal)
                    left.pop(said["done"], None) if "done" in said else left.update({said["id"]: Ticket.of(said)})
                except (ValueError, KeyError, TypeError):
                    log.warning("bursar: a line of %s cannot be read, as it was not written to its end", path)
            if len(self._ends) + len(left) > self._size:
                log.warning("bursar: %s has more than may wait, and is left for a later start", path)
                return
            for ticket in left.values():
                with self._changed:
                    self._write(ticket)
                self.later(ticket)
            path.unlink(missing_ok=True)

    def _write(self, ticket: Ticket) -> None:
        if self._file is not None:
            self._noted[ticket.id] = ticket.line()
            self._append(self._noted[ticket.id])

    def _strike(self, ticket: Ticket) -> None:
        if self._noted.pop(ticket.id, None) is None or self._file is None:
            return
        self._append(dumps({"done": ticket.id}) + b"\n")
        try:
            if self._file.tell() > MAX_FILE and self._file.tell() > 2 * sum(map(len, self._noted.values())):
                old, old_path = self._file, self._path
                self._file = None
                self._open()
                self._append(b"".join(self._noted.values()))
                assert old_path is not None
                old_path.unlink(missing_ok=True)
                old.close()
        except OSError as e:
            log.error("bursar: %s cannot be written anew: %s", self._path, e)

    def _append(self, lines: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(lines)
            self._file.flush()
        except OSError as e:
            log.error("bursar: %s cannot be written: if this process ends now, a call is booked as an estimate: %s", self._path, e)


def _locked(path: Path, flags: int = 0) -> IO[bytes] | None:
    """A file that no other process has; None if one has it, or had it and removed it."""
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600), "r+b")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if os.fstat(file.fileno()).st_nlink == 0:
        file.close()
        return None
    return file


def _brief(ticket: Ticket) -> str:
    return f"{ticket.call.method} {ticket.call.path}"


_all: weakref.WeakSet[Books] = weakref.WeakSet()


@atexit.register
def _end() -> None:
    for books in list(_all):
        books.close()
