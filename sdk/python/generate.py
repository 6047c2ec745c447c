#!/usr/bin/env python3
"""Writes bursar/types.py, the shapes of requests and replies, from httpapi/openapi.json.

    python3 generate.py           # after a change of the API
    python3 generate.py --check   # whether it is what the document says
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "httpapi" / "openapi.json"
OUT = HERE / "bursar" / "types.py"

# What calls.py names; the others follow from these.
ROOTS = ["BoostRequest", "CheckItem", "Consume", "CreditCheck", "Estimates", "EventIn", "Events", "Explain", "FeatureCheck",
         "Forecasts", "History", "PageOfBoostRequest", "PageOfDenial", "PageOfReservation", "Problem", "Reservation", "TokensIn", "Usage", "UsageItem"]  # fmt: skip

HEAD = '''"""The shapes of what goes and comes, made by generate.py from httpapi/openapi.json."""

# fmt: off
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Mapping, Optional, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired

# A reply has an amount as an int, or as a Decimal with all its digits; either may be sent, and
# a float.
Number = Union[int, float, Decimal]
'''


def name(ref: str) -> str:
    return ref.rsplit("/", 1)[-1]


def shape(s: dict[str, Any], used: set[str]) -> str:
    """The Python type of a schema; used gets the schemas that it names."""
    if "$ref" in s:
        used.add(name(s["$ref"]))
        return name(s["$ref"])
    for union in ("anyOf", "oneOf"):
        if union in s:
            parts = [shape(x, used) for x in s[union] if x.get("type") != "null"]
            one = parts[0] if len(set(parts)) == 1 else f"Union[{', '.join(dict.fromkeys(parts))}]"
            return f"Optional[{one}]" if any(x.get("type") == "null" for x in s[union]) else one
    if "enum" in s:
        return f"Literal[{', '.join(json.dumps(x) for x in s['enum'])}]"
    match s.get("type"):
        case "string":
            return "str"
        case "boolean":
            return "bool"
        case "integer":
            return "int"
        case "number":
            return "Number"
        case "array":
            return f"List[{shape(s['items'], used)}]"
        case "object" if isinstance(s.get("additionalProperties"), dict):
            return f"Mapping[str, {shape(s['additionalProperties'], used)}]"
        case "object":
            return "Mapping[str, Any]"
    return "Any"


def write() -> str:
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    out, todo, done = [HEAD], list(ROOTS), set()
    while todo:
        this = todo.pop(0)
        if this in done:
            continue
        done.add(this)
        s, used = schemas[this], set[str]()
        lines = [f"\n\nclass {this}(TypedDict):", f'    """{s.get("description", this)}"""', ""]
        for member, m in s.get("properties", {}).items():
            kind = shape(m, used)
            optional = member not in s.get("required", [])
            lines.append(f"    {member}: {f'NotRequired[{kind}]' if optional else kind}")
            if "description" in m:
                lines.append(f"    {json.dumps(m['description'], ensure_ascii=False) if chr(34) in m['description'] else chr(34) * 3 + m['description'] + chr(34) * 3}")
        out.append("\n".join(lines) + "\n")
        todo += sorted(used)
    return "".join(out)


def plain(text: str) -> list[str]:
    """The lines but for descriptions, whose words may change."""
    return [line for line in text.splitlines() if not line.strip().startswith('"')]


if __name__ == "__main__":
    text = write()
    if sys.argv[1:] != ["--check"]:
        OUT.write_text(text)
    elif plain(OUT.read_text()) != plain(text):
        sys.exit(f"{OUT} is not what {DOCUMENT} says: run python3 {Path(__file__).name}")
