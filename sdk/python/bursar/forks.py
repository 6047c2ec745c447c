"""What threads share is the parent's after a fork: the child begins anew."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    def forked(self) -> None: ...


_all: weakref.WeakSet[Forked] = weakref.WeakSet()


def begins_anew(thing: Forked) -> None:
    """Has thing.forked() called in each child."""
    _all.add(thing)


def _in_child() -> None:
    for thing in list(_all):
        thing.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
