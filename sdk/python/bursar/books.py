"""Ends of calls that wait to be recorded, because the server was away or the process ended."""

from __future__ import annotations

import atexit
import json
import logging
import os
import secrets
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable

from .errors import BursarError, Unavailable
from .wire import Call, backoff, dumps

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("bursar")

MAX_FILE = 1 << 20  # bytes; then it is begun anew once nothing waits
MAX_PAUSE = 30.0


@dataclass
class Ticket:
    """A call that is to be made, once. With undo it is a hold that is to be released."""

    id: str
    call: Call[Any]
    undo: bool

    def line(self) -> bytes:
        c = self.call
        return dumps({"id": self.id, "method": c.method, "path": c.path, "body": c.body, "key": c.key, "undo": self.undo}) + b"\n"

    @staticmethod
    def of(said: dict[str, Any]) -> Ticket:
        call: Call[Any] = Call(said["method"], said["path"], body=said["body"], key=said["key"])
        return Ticket(said["id"], call, said["undo"])


class Books:
    """A bounded queue, of which a thread sends what waits; each with the key it had before.

    With a folder, what is to be sent is in a file there before it is sent. Each process has a
    file of its own, and takes over the files of processes that are gone.
    """

    def __init__(self, send: Callable[[Call[Any]], Any], size: int, folder: str | os.PathLike[str] | None) -> None:
        if folder is not None and fcntl is None:
            raise ValueError("bursar: store needs locks of files (fcntl), which this system has not")
        self._send = send
        self._size = size
        self._folder = Path(folder) if folder is not None else None
        self._begin()
        if self._folder is not None:
            self._open()
        _all.add(self)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._noted: set[str] = set()  # in the file, and not done
        self._thread: threading.Thread | None = None
        self._closed = False
        self._file: IO[bytes] | None = None
        self._path: Path | None = None

    def _own(self) -> None:
        """After a fork the queue and its file are the other process's."""
        if self._pid != os.getpid():
            if self._file is not None:
                self._file.close()
            self._begin()
            if self._folder is not None:
                self._open()

    # What a call does.

    def note(self, call: Call[Any], undo: bool = False) -> Ticket:
        """Notes what is about to be sent."""
        self._own()
        ticket = Ticket(secrets.token_hex(8), call, undo)
        with self._changed:
            self._write(ticket)
        return ticket

    def done(self, ticket: Ticket) -> None:
        with self._changed:
            self._strike(ticket)

    def later(self, ticket: Ticket) -> None:
        """Has the thread send it."""
        self._own()
        with self._changed:
            if len(self._waiting) >= self._size:
                self._strike(ticket)
                log.error("bursar: the queue of %d is full; dropped, and booked as an estimate if it was held: %s", self._size, _brief(ticket))
                return
            self._waiting.append(ticket)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="bursar", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def room(self) -> bool:
        with self._changed:
            return len(self._waiting) < self._size

    def __len__(self) -> int:
        return len(self._waiting)

    # The thread.

    def _work(self) -> None:
        failed = 0
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                ticket = self._waiting[0]
            if self._sent(ticket):
                failed = 0
                with self._changed:
                    self._waiting.remove(ticket)
                    self._strike(ticket)
                    self._changed.notify_all()
                continue
            with self._changed:
                if self._closed:
                    return
                self._waiting.rotate(-1)  # the next one may be taken
                self._changed.wait_for(lambda: self._closed, timeout=min(backoff(failed) * 4, MAX_PAUSE))
            failed += 1

    def _sent(self, ticket: Ticket) -> bool:
        """Whether it need not be sent again."""
        try:
            reply = self._send(ticket.call)
            if ticket.undo and reply["status"] == "OPEN":
                self._send(Call("POST", f"{ticket.call.path}/{reply['id']}/release", key=ticket.id))
        except Unavailable:
            return False
        except BursarError as e:
            log.error("bursar: refused, and not sent again: %s: %s", _brief(ticket), e)
        except Exception:
            log.exception("bursar: not sent again: %s", _brief(ticket))
        return True

    def flush(self, timeout: float) -> int:
        """Waits until nothing waits, at most so many seconds; what waits still."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting or self._closed, timeout)
            return len(self._waiting)

    def close(self, timeout: float = 2.0) -> None:
        """Sends what waits. The rest is in the file for the next start, or lost with a word."""
        if self._closed or self._pid != os.getpid():
            return
        left = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if left and self._file is None:
                log.error("bursar: %d ends of calls were not recorded; what they held is booked as an estimate", left)
            elif left:
                log.warning("bursar: %d ends of calls are kept in %s for the next start", left, self._path)
            if self._file is not None and self._path is not None:
                if not self._noted:
                    self._path.unlink(missing_ok=True)
                self._file.close()
                self._file = None

    # The file.

    def _open(self) -> None:
        """Makes this process's file, and takes over those of processes that are gone."""
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        while self._file is None:
            self._path = self._folder / f"bursar-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            file = _locked(self._path, os.O_CREAT | os.O_EXCL)
            if file is not None:
                self._file = file
        for path in sorted(self._folder.glob("bursar-*.jsonl")):
            if path != self._path:
                self._take_over(path)

    def _take_over(self, path: Path) -> None:
        file = _locked(path)
        if file is None:
            return  # of a process that runs
        with file:
            left: dict[str, Ticket] = {}
            for line in file.read().splitlines():
                try:
                    said = json.loads(line)
                    left.pop(said["done"], None) if "done" in said else left.update({said["id"]: Ticket.of(said)})
                except (ValueError, KeyError, TypeError):
                    log.warning("bursar: a line of %s cannot be read, as it was not written to its end", path)
            for ticket in left.values():
                with self._changed:
                    self._write(ticket)
                self.later(ticket)
            path.unlink(missing_ok=True)

    def _write(self, ticket: Ticket) -> None:
        if self._file is not None:
            self._append(ticket.line())
            self._noted.add(ticket.id)

    def _strike(self, ticket: Ticket) -> None:
        if self._file is None or ticket.id not in self._noted:
            return
        self._noted.discard(ticket.id)
        if not self._noted and self._file.tell() > MAX_FILE:
            self._file.truncate(0)
            self._file.seek(0)
        else:
            self._append(dumps({"done": ticket.id}) + b"\n")

    def _append(self, line: bytes) -> None:
        assert self._file is not None
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as e:
            log.error("bursar: %s cannot be written: if this process ends now, a call is booked as an estimate: %s", self._path, e)


_all: weakref.WeakSet[Books] = weakref.WeakSet()


@atexit.register
def _end() -> None:
    for books in list(_all):
        books.close()


def _locked(path: Path, flags: int = 0) -> IO[bytes] | None:
    """A file that no other process has; None if one has it, or had it and removed it."""
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600), "r+b")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    if os.fstat(file.fileno()).st_nlink == 0:
        file.close()
        return None
    return file


def _brief(ticket: Ticket) -> str:
    return f"{ticket.call.method} {ticket.call.path}"
