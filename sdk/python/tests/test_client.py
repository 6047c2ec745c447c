"""The client against a real server."""

import asyncio
import threading
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from bursar import AsyncClient, BudgetDenied, BursarError, Client, Unavailable
from tests.world import KEY, World

HELLO = {"prompt_tokens": 7, "completion_tokens": 3}


class Calls(World):
    def test_what_an_application_calls(self):
        c, agent = self.client(), self.agent(output=100)
        dims = {"agentId": agent}
        self.assertTrue(c.check("acme", feature_id="output", requested_usage=100, dimensions=dims)["isGranted"])
        first, second = c.checks("acme", {"featureId": "output", "dimensions": dims}, {"featureId": "output", "requestedUsage": 101, "dimensions": dims})
        self.assertEqual((first["isGranted"], second["isGranted"]), (True, False))
        hold = c.reserve("acme", event_name="llm", dimensions=dims, max_tokens=60, input_characters=30)
        self.assertEqual([(h["featureId"], h["amount"]) for h in hold["held"]], [("input", 10), ("output", 60)])
        self.assertEqual(c.reservation("acme", hold["id"])["status"], "OPEN")
        self.assertEqual([r["id"] for r in c.reservations("acme", entity_id=agent)["data"]], [hold["id"]])
        more = c.extend("acme", hold["id"], tokens={"output": 20}, ttl_seconds=60)
        self.assertEqual(more["tokens"]["output"], 80)
        done = c.commit("acme", hold["id"], usage=HELLO, model="gpt-5-mini")
        self.assertEqual((done["status"], done["tokens"]["output"]), ("COMMITTED", 3))
        self.assertEqual(c.release("acme", c.reserve("acme", event_name="llm", dimensions=dims, max_tokens=5, input_tokens=1)["id"])["status"], "RELEASED")
        self.assertEqual(c.consume("acme", event_name="llm", dimensions=dims, usage=HELLO)["tokens"]["output"], 3)
        self.assertEqual(c.events({"customerId": "acme", "eventName": "llm", "dimensions": dims, "usage": HELLO})["events"][0]["duplicate"], False)
        self.assertEqual(self.used(agent), 9)
        self.assertEqual(c.usage({"customerId": "acme", "featureId": "pages", "value": Decimal("0.1"), "dimensions": dims})[0]["value"], Decimal("0.1"))
        self.assertEqual(c.estimate("acme", "llm", usage=HELLO)["estimates"], [])
        self.assertEqual(c.estimate_usage("acme", "pages", 3)["estimates"], [])
        self.assertEqual(c.explain("acme", feature_id="output", requested_usage=92, dimensions=dims)["chains"][0][0]["wouldNeed"], 1)
        asked = c.request_boost("acme", 10, entity_id=agent, feature_id="output", reason="more to do", expires_at=datetime.now(timezone.utc) + timedelta(hours=1))
        self.assertEqual((asked["status"], asked["amount"], asked["reason"]), ("OPEN", 10, "more to do"))
        self.assertEqual(c.boost_request("acme", asked["id"])["entityId"], agent)
        self.assertEqual([r["id"] for r in c.boost_requests("acme", status="OPEN", entity_id=agent)["data"]], [asked["id"]])
        self.assertEqual(c.forecast("acme", feature_id="output", entity_type_ids=["agent"], limit=1)["data"][0]["forecast"]["refused"], "HISTORY_TOO_SHORT")
        series = c.history("acme", feature_id="output", start_date=datetime.now(timezone.utc) - timedelta(days=1), group_by=["agentId"])["series"]
        self.assertTrue(any(t["value"] == agent for s in series for t in s["tags"]))
        with self.assertRaises(BudgetDenied):
            c.consume("acme", feature_id="output", amount=92, dimensions=dims)
        self.assertEqual(c.denials("acme", limit=1, entity_id=agent)["data"][0]["binding"]["entityId"], agent)

    def test_a_denial_names_the_limit_what_is_left_and_when_it_resets(self):
        c, agent = self.client(), self.agent(output=100)
        rows = [{"entityId": agent, "featureId": "output", "label": "day", "usageLimit": 40, "cadence": "P1D"}]
        self.server.api("PUT", "/customers/acme/assignments", {"assignments": rows})
        c.consume("acme", event_name="llm", dimensions={"agentId": agent}, usage=HELLO)
        with self.assertRaises(BudgetDenied) as denied:
            c.reserve("acme", event_name="llm", dimensions={"agentId": agent}, max_tokens=38, input_tokens=1)
        e = denied.exception
        self.assertEqual((e.status, e.code, e.entity_id, e.remaining, e.retryable), (402, "RequestedUsageExceedingLimit", agent, 37, False))
        self.assertEqual((e.binding["label"], e.binding["usageLimit"]), ("day", 40))
        tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        self.assertEqual(e.resets_at, tomorrow)

    def test_an_error_says_what_and_where(self):
        with self.assertRaises(BursarError) as wrong:
            self.client().reserve("acme", event_name="nothing", max_tokens=1)
        e = wrong.exception
        self.assertEqual((e.status, e.code, e.pointer), (400, "UnknownMeter", "/eventName"))
        self.assertTrue(e.trace_id)
        self.assertNotIsInstance(e, (BudgetDenied, Unavailable))
        with self.assertRaises(BursarError) as wrong:
            with Client(self.server.url, "bsk_wrong-key-of-nobody") as stranger:
                stranger.check("acme", feature_id="output")
        self.assertEqual(wrong.exception.status, 401)

    def test_each_warning_is_told_once(self):
        c = self.client()
        for _ in range(3):
            c.check("acme", feature_id="output", dimensions={"agentId": "nobody"})
        self.assertEqual([w.split(" ")[0] for w in self.warned], ["DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:output"])
        with self.assertLogs("bursar", "WARNING") as logged, Client(self.relay.url, KEY) as c:
            c.check("acme", feature_id="output", dimensions={"agentId": "nobody"})
        self.assertEqual(len(logged.records), 2)

    def test_connections_are_kept(self):
        c, before = self.client(), self.relay.connections
        for _ in range(20):
            c.denials("acme")
        self.assertEqual(self.relay.connections, before + 1)


class Again(World):
    def test_a_call_that_fails_for_a_moment_is_sent_again_and_counts_once(self):
        c, agent = self.client(), self.agent(output=100)
        for plan in ([503, 429, 502], ["lose"], ["lose", 504, "lose"]):
            self.relay.plan[:] = plan
            self.relay.seen.clear()
            c.consume("acme", event_name="llm", dimensions={"agentId": agent}, usage=HELLO)
            self.assertEqual(len({body["idempotencyKey"] for _, _, body, _ in self.relay.seen}), 1)
        self.assertEqual(self.used(agent), 9)

    def test_a_connection_that_the_server_closed_meanwhile_is_none(self):
        c, agent = self.client(retries=0), self.agent(output=100)
        c.denials("acme")
        self.relay.plan[:] = ["lose"]
        c.consume("acme", event_name="llm", dimensions={"agentId": agent}, usage=HELLO)
        self.assertEqual((self.used(agent), len(self.relay.seen)), (3, 3))

    def test_what_is_for_good_is_not_sent_again(self):
        c = self.client()
        for status in (400, 402, 404, 409, 500):
            self.relay.seen.clear()
            self.relay.plan[:] = [status]
            with self.assertRaises(BursarError) as refused:
                c.denials("acme")
            self.assertEqual((refused.exception.status, len(self.relay.seen)), (status, 1))

    def test_a_server_that_is_away_is_unavailable_and_soon(self):
        gone = Client("http://127.0.0.1:1", KEY)
        with self.assertRaises(Unavailable) as away:
            gone.denials("acme")
        self.assertFalse(away.exception.sent)
        self.relay.plan[:] = [503] * 5
        with self.assertRaises(Unavailable) as away:
            self.client().denials("acme")
        self.assertTrue(away.exception.sent)
        self.assertEqual(len(self.relay.seen), 5)

    def test_an_address_that_is_none_is_refused(self):
        for bad in ("127.0.0.1:8080", "ftp://x", "http://", "http://x/?a=1"):
            with self.assertRaises(ValueError):
                Client(bad, KEY)


class Threads(World):
    def test_of_200_threads_for_the_last_units_exactly_as_many_get_one(self):
        c, agent = self.client(self.server.url), self.agent(output=7)
        start, got, denied = threading.Barrier(200), [], []

        def take():
            start.wait()
            try:
                with c.govern("acme", dimensions={"agentId": agent}, max_tokens=1, input_tokens=0) as call:
                    call.used({"input_tokens": 0, "output_tokens": 1})
                got.append(call)
            except BudgetDenied as e:
                denied.append(e)

        threads = [threading.Thread(target=take) for _ in range(200)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual((len(got), len(denied), self.used(agent)), (7, 193, 7))


class Async(World):
    def ask(self, **options):
        async def main():
            async with AsyncClient(self.relay.url, KEY, on_warning=self.warned.append, **options) as c:
                agent = self.agent(output=100)
                self.relay.plan[:] = [503, "lose"]
                await c.consume("acme", event_name="llm", dimensions={"agentId": agent}, usage=HELLO)
                with self.assertRaises(BudgetDenied) as denied:
                    async with c.govern("acme", dimensions={"agentId": agent}, max_tokens=98):
                        self.fail("it was denied")
                self.assertEqual(denied.exception.remaining, 97)
                many = await asyncio.gather(*[c.check("acme", feature_id="output", dimensions={"agentId": agent}) for _ in range(50)])
                self.assertEqual(len([m for m in many if m["isGranted"]]), 50)
                self.assertEqual(self.used(agent), 3)
                self.relay.plan[:] = [503] * 5
                with self.assertRaises(Unavailable):
                    await c.denials("acme")

        asyncio.run(main())

    def test_over_threads(self):
        import bursar.client

        httpx, bursar.client.httpx = bursar.client.httpx, None
        try:
            self.ask()
        finally:
            bursar.client.httpx = httpx

    def test_over_httpx(self):
        import bursar.client

        if bursar.client.httpx is None:
            self.skipTest("httpx is not installed")
        self.ask()
