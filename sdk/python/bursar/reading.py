"""What requests and replies of providers say: how large an input is, and what was used.

Objects are read as they come: dicts, or what has model_dump() or dict().
"""

from __future__ import annotations

import re
from typing import Any, Mapping

# Characters that stand for what is no text; 3 of them count as a token.
MEDIA = 4500  # a picture or document: 1,500 tokens
NUMBER = 3  # which may be a token of a prompt

_LINKS = {"url", "image_url", "file_url", "video_url", "audio_url"}
_FILES = {"data", "file_data", "b64_json", "image", "mask", "file", "audio"}
# A file in a text; words have shorter lines.
_ENCODED = re.compile(r"(data:[^,]*;base64,)?([A-Za-z0-9+/=_-]{60,}\r?\n)*[A-Za-z0-9+/=_-]*\Z")
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})\Z")


def plain(v: Any) -> Any:
    """A dict of an object that can be one; anything else as it is."""
    if isinstance(v, Mapping) or isinstance(v, type):
        return v
    for name in ("model_dump", "dict"):
        method = getattr(v, name, None)
        if callable(method):
            return method()
    return v


def at(v: Any, name: str) -> Any:
    return v.get(name) if isinstance(v, Mapping) else getattr(v, name, None)


def characters(v: Any, name: str = "") -> int:
    """The size of all texts in v, the names of members included. A picture or document counts
    as a usual one, whatever its bytes."""
    if isinstance(v, str):
        return _text(v, name)
    if isinstance(v, bool) or v is None:
        return 0
    if isinstance(v, (int, float)):
        return NUMBER
    if isinstance(v, (bytes, bytearray, memoryview)):
        return MEDIA
    v = plain(v)
    if isinstance(v, Mapping):
        return sum(len(str(k)) + characters(x, str(k)) for k, x in v.items())
    if isinstance(v, (list, tuple, set, frozenset)):
        return sum(characters(x, name) for x in v)
    return len(str(v))


def _text(v: str, name: str) -> int:
    if name in _LINKS:
        return MEDIA if _ENCODED.match(v) else max(len(v), MEDIA)
    if name == "file_id":
        return max(len(v), MEDIA)
    if name in _FILES and len(v) > MEDIA and _ENCODED.match(v):
        return MEDIA
    return len(v)


# Members of replies, in which a usage object is not known.
_REPLY = {"usage", "choices", "content", "candidates", "output", "message", "messages", "text"}


def counts(v: Any, name: str = "") -> Any:
    """A usage object with its numbers and what they are of, and without texts: it may be a reply."""
    if isinstance(v, Mapping):
        kept = {str(k): counts(x, str(k)) for k, x in v.items()}
        return {k: x for k, x in kept.items() if x is not None}
    if isinstance(v, (list, tuple)):
        return [counts(plain(x), name) for x in v]
    if isinstance(v, (int, float)) and not isinstance(v, bool) or name in ("type", "modality", "service_tier", "model"):
        return v
    said = plain(v)
    return counts(said, name) if isinstance(said, Mapping) else None


class Used:
    """What is known of a call's usage so far."""

    def __init__(self) -> None:
        self.usage: dict[str, Any] | None = None  # the provider's object
        self.model: str | None = None  # that answered
        self.tier: str | None = None
        self.searches = 0  # of the web, that are items of a reply's output
        self.final = False  # the usage is that of the whole call
        self.text = 0  # characters that came

    def reply(self, reply: Any) -> bool:
        """Takes over what a whole reply, or its usage object, says; whether it has usage."""
        if at(reply, "usage") is None:
            google = at(reply, "usage_metadata") or at(reply, "usageMetadata")
            given = google or plain(reply)
            if not isinstance(plain(given), Mapping) or not google and _REPLY & set(given):
                return False
            reply = {"usage": counts(plain(given)), "model": at(reply, "model_version") if google else None}
        self.final = self.take(reply) or self.final
        return self.final

    def take(self, reply: Any) -> bool:
        """Members that come again, as Anthropic's do, stand for the whole call."""
        model, tier = at(reply, "model"), at(reply, "service_tier")
        self.model = model if isinstance(model, str) and model else self.model
        self.tier = tier if isinstance(tier, str) and tier else self.tier
        output = at(reply, "output")
        if isinstance(output, (list, tuple)):
            self.searches = max(self.searches, sum(at(o, "type") == "web_search_call" for o in output))
        usage = plain(at(reply, "usage"))
        if not isinstance(usage, Mapping) or not usage:
            return False
        before = self.usage or {}
        self.usage = {**before, **{k: v for k, v in usage.items() if v is not None or k not in before}}
        return True

    def object(self) -> dict[str, Any] | None:
        """What the server reads as usage: the provider's object in what was around it."""
        if self.usage is None:
            return None
        out: dict[str, Any] = {"usage": self.usage}
        if self.tier:
            out["service_tier"] = self.tier
        if self.searches:
            out["output"] = [{"type": "web_search_call"}] * self.searches
        return out

    def answered(self, asked: str | None) -> str | None:
        """The model that answered, where it is another one than was asked for. The same one
        with a date is no other."""
        model = self.model
        if not model or model == asked or len(model) > 255:
            return None
        if asked and model.startswith(asked) and _DATED.match(model[len(asked) :]):
            return None
        return model
