"""The calls are those of httpapi/openapi.json: paths, options and shapes."""

import inspect
import json
import re
import subprocess
import sys
import unittest
from datetime import datetime, timezone
from pathlib import Path

import bursar
from bursar import calls
from bursar.wire import BASE, dumps

HERE = Path(__file__).resolve().parent
DOCUMENT = json.loads((HERE.parents[2] / "httpapi" / "openapi.json").read_text())

# Each call of the client, and the one of the document that it is.
ROUTES = {
    "check": ("GET", "/customers/{customerId}/entitlements/check"),
    "checks": ("POST", "/customers/{customerId}/entitlements/checks"),
    "reserve": ("POST", "/customers/{customerId}/reservations"),
    "reservation": ("GET", "/customers/{customerId}/reservations/{reservationId}"),
    "reservations": ("GET", "/customers/{customerId}/reservations"),
    "commit": ("POST", "/customers/{customerId}/reservations/{reservationId}/commit"),
    "extend": ("POST", "/customers/{customerId}/reservations/{reservationId}/extend"),
    "release": ("POST", "/customers/{customerId}/reservations/{reservationId}/release"),
    "consume": ("POST", "/customers/{customerId}/consume"),
    "events": ("POST", "/events"),
    "usage": ("POST", "/usage"),
    "estimate": ("POST", "/events/estimate"),
    "estimate_usage": ("POST", "/usage/estimate"),
    "explain": ("POST", "/customers/{customerId}/explain"),
    "request_boost": ("POST", "/customers/{customerId}/boost-requests"),
    "boost_request": ("GET", "/customers/{customerId}/boost-requests/{boostRequestId}"),
    "boost_requests": ("GET", "/customers/{customerId}/boost-requests"),
    "forecast": ("GET", "/customers/{customerId}/forecast"),
    "denials": ("GET", "/customers/{customerId}/denials"),
    "history": ("GET", "/customers/{customerId}/usage"),
}
# What Bursar has for clients of another API alone.
NOT_OURS = {"check": {"requestedValues", "resourceId"}}


def schema(s):
    return DOCUMENT["components"]["schemas"][s["$ref"].rsplit("/", 1)[1]] if "$ref" in s else s


def build(name):
    """The call with every option that it has."""
    builder, args, kwargs = getattr(calls, name), [], {}
    for p in inspect.signature(builder).parameters.values():
        value = {"start_date": datetime.now(timezone.utc), "end_date": datetime.now(timezone.utc), "entity_type_ids": ["a"], "group_by": ["a"]}.get(p.name, "x")
        if p.name in ("usage", "tokens", "properties", "dimensions"):
            value = {"a": 1}
        if p.kind is p.VAR_POSITIONAL:
            args.append({})
        elif p.kind is p.POSITIONAL_OR_KEYWORD:
            args.append(value)
        else:
            kwargs[p.name] = value
    return builder(*args, **kwargs)


class Document(unittest.TestCase):
    def test_each_call_has_the_path_options_and_members_of_the_document(self):
        for name, (method, path) in ROUTES.items():
            with self.subTest(name):
                self.assertIn(BASE + path, DOCUMENT["paths"])
                route = DOCUMENT["paths"][BASE + path][method.lower()]
                call = build(name)
                self.assertEqual((call.method, re.sub("{.*?}", "x", path)), (method, call.path))
                of = lambda where: {p["name"] for p in route.get("parameters", []) if p["in"] == where}
                query = {re.sub(r"\[.*", "", q) for q in call.query}
                self.assertEqual(query, of("query") - NOT_OURS.get(name, set()))
                members = set()
                if "requestBody" in route:
                    members = set(schema(route["requestBody"]["content"]["application/json"]["schema"])["properties"])
                self.assertEqual(set(call.body or {}), members)
                self.assertTrue(call.key is None or "Idempotency-Key" in of("header"))
                whole = "data" in route["responses"]["200" if "200" in route["responses"] else "201"]["content"]["application/json"]["schema"].get("properties", {})
                self.assertEqual(call.whole, not whole)

    def test_the_clients_have_each_call(self):
        built = {n for n, f in vars(calls).items() if inspect.isfunction(f) and f.__module__ == calls.__name__ and not n.startswith("_")}
        self.assertEqual(built - {"new_key", "camel"}, set(ROUTES))
        for client in (bursar.Client, bursar.AsyncClient):
            for name in (*ROUTES, "govern"):
                self.assertEqual(list(inspect.signature(getattr(client, name)).parameters)[0], "self")

    def test_the_shapes_are_those_of_the_document(self):
        done = subprocess.run([sys.executable, HERE.parent / "generate.py", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_reply_is_typed_as_the_document_says(self):
        for name, (method, path) in ROUTES.items():
            told = inspect.signature(getattr(calls, name)).return_annotation
            said = DOCUMENT["paths"][BASE + path][method.lower()]["responses"]
            said = (said.get("200") or said["201"])["content"]["application/json"]["schema"]
            said = said["properties"]["data"] if "properties" in said else said
            item, many = (said["items"], True) if said.get("type") == "array" else (said, False)
            one = "Decision" if "oneOf" in item else item["$ref"].rsplit("/", 1)[1]
            self.assertEqual(told, f"Call[{f'List[{one}]' if many else one}]", name)


class Numbers(unittest.TestCase):
    def test_amounts_keep_all_their_digits(self):
        from decimal import Decimal

        n = Decimal("123456789012345.123456789")
        sent = dumps({"amount": n, "text": str(n), "few": 0.5})
        self.assertEqual(sent, b'{"amount":123456789012345.123456789,"text":"123456789012345.123456789","few":0.5}')
        read = calls.release("a", "b").read(200, {}, b'{"data":{"amount":123456789012345.123456789}}')
        self.assertEqual(read["amount"], n)

    def test_what_cannot_be_sent_is_refused(self):
        for bad in (float("nan"), object(), {1}):
            with self.assertRaises((TypeError, ValueError)):
                dumps({"amount": bad})


if __name__ == "__main__":
    unittest.main()
