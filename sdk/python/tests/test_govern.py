"""A governed call: held before it, recorded after it, whatever happens between."""

import asyncio
import socket
import urllib.error
import urllib.request

from bursar import AsyncClient, BudgetDenied, BursarError, Client, Unavailable
from tests.world import KEY, Relay, World

REPLY = {"model": "gpt-5-2025-08-07", "choices": [{}], "usage": {"prompt_tokens": 20, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}}}


class Model:
    """A reply as SDKs have them: an object with model_dump()."""

    def __init__(self, **members):
        self.__dict__.update(members)

    def model_dump(self):
        return {k: v.model_dump() if isinstance(v, Model) else v for k, v in vars(self).items()}


class Refused(Exception):
    """An error as web frameworks have them."""

    def __init__(self, status):
        super().__init__(f"it answers {status}")
        self.status_code = status


class APIStatusError(Refused):
    """An error as OpenAI's SDK has them."""

    __module__ = "openai"


class Forbidden(Refused):
    """An error as clients of Google's have them that are of no model."""

    __module__ = "google.api_core.exceptions"


class APIConnectionError(Exception):
    __module__ = "openai"


def again(error, before=1):
    """As the SDK raises it after so many attempts before."""
    error.request = Model(headers={"x-stainless-retry-count": str(before)})
    return error


class Govern(World):
    def governed(self, agent, client=None, **options):
        given = {"max_tokens": 50, "input": [{"role": "user", "content": "Hello there"}], **options}
        return (client or self.client()).govern("acme", dimensions={"agentId": agent}, model="gpt-5", **given)

    def test_a_call_is_held_and_then_recorded_by_its_usage(self):
        agent = self.agent(output=100)
        with self.governed(agent) as call:
            held = {h["featureId"]: h["amount"] for h in call.held["held"]}
            self.assertEqual(held, {"output": 50, "input": 9})  # 4 + 4 + 7 + 11 characters, 3 to a token
            self.assertEqual((call.remaining, call.advice), (50, "ok"))
            call.used(REPLY)
        self.assertEqual(call.result["tokens"]["cache_read"], 5)
        self.assertNotIn("model", self.relay.seen[-1][2])  # the same model, with its date
        self.assertEqual((self.used(agent), self.used(agent, "input"), self.holds(agent)), (9, 15, []))

    def test_a_reply_is_read_as_object_dict_or_usage(self):
        agent = self.agent(output=1000)
        usage = {"input_tokens": 5, "output_tokens": 10}
        for reply in (Model(model="claude", usage=Model(**usage)), {"usage": usage}, Model(**usage), usage, {"response": 1, **usage}):
            with self.governed(agent) as call:
                call.used(reply)
        self.assertEqual(self.used(agent), 50)
        self.assertEqual(self.relay.seen[1][2]["model"], "claude")

    def test_it_runs_a_function(self):
        agent = self.agent(output=100)
        self.assertIs(self.governed(agent).run(lambda x, y: y, 1, y=REPLY), REPLY)
        self.assertEqual(self.used(agent), 9)

    def test_a_denial_comes_before_the_call(self):
        agent = self.agent(output=49)
        with self.assertRaises(BudgetDenied) as denied:
            with self.governed(agent):
                self.fail("the call was made")
        self.assertEqual((denied.exception.entity_id, denied.exception.remaining), (agent, 49))

    def test_an_agent_is_told_to_end_in_time(self):
        agent, advice = self.agent(output=100), []
        for used in (75, 15, 5):
            with self.governed(agent, max_tokens=used) as call:
                advice.append(call.advice)
                call.used({"input_tokens": 0, "output_tokens": used})
        self.assertEqual(advice, ["ok", "wind_down", "stop"])

    def test_a_call_that_the_provider_refused_or_that_was_not_sent_is_free(self):
        agent = self.agent(output=100)

        def unreached():
            try:
                socket.create_connection(("127.0.0.1", 1))
            except OSError as e:
                raise APIConnectionError from e

        def fails(error):
            raise error

        http = urllib.error.HTTPError("http://x", 429, "too many", {}, None)
        self.addCleanup(http.close)
        for fail in (lambda: fails(Refused(500)), lambda: fails(http), unreached, lambda: urllib.request.urlopen("http://127.0.0.1:1")):
            with self.assertRaises(Exception):
                self.governed(agent).run(fail)
        for fail in (lambda: fails(APIStatusError(429)), unreached):
            with self.assertRaises(Exception), self.governed(agent):
                fail()
        with self.governed(agent) as call:
            call.release()
        self.assertEqual((self.used(agent), self.holds(agent), len(self.holds(agent, "RELEASED"))), (0, [], 7))

    def test_an_error_of_something_else_in_the_block_frees_nothing(self):
        agent, poor = self.agent(output=1000), self.agent(output=0)

        def of_a_framework():
            raise Refused(422)

        def of_another_server():
            urllib.request.urlopen("http://127.0.0.1:1")

        def of_a_bucket():
            raise Forbidden(403)

        def of_a_tool():
            with self.governed(poor):
                self.fail("it was denied")

        def of_a_fallback():
            try:
                raise ConnectionRefusedError
            except ConnectionRefusedError:
                raise APIConnectionError("no answer came in time")

        for fail in (of_a_framework, of_another_server, of_a_bucket, of_a_tool, of_a_fallback):
            with self.assertRaises(Exception), self.governed(agent):
                fail()
        with self.assertRaises(APIConnectionError):
            self.governed(agent).run(of_a_fallback)
        self.assertEqual(self.holds(agent, "RELEASED"), [])
        self.eventually(lambda: self.used(agent), 300)

    def test_an_attempt_that_the_sdk_made_before_may_have_been_billed(self):
        agent = self.agent(output=1000)

        def fails(error):
            raise error

        def unreached():
            raise again(APIConnectionError()) from ConnectionRefusedError()

        for fail in (lambda: fails(again(APIStatusError(502))), unreached):
            with self.assertRaises(Exception):
                self.governed(agent).run(fail)
            with self.assertRaises(Exception), self.governed(agent):
                fail()
        self.assertEqual(self.holds(agent, "RELEASED"), [])
        for error in (again(APIStatusError(502), before=0), again(APIStatusError(429))):
            with self.assertRaises(APIStatusError):
                self.governed(agent).run(lambda: fails(error))
        self.assertEqual(len(self.holds(agent, "RELEASED")), 2)
        self.eventually(lambda: self.used(agent), 200)

    def test_of_a_call_that_fails_later_the_usage_that_is_known_is_recorded(self):
        agent = self.agent(output=100)
        with self.assertRaises(ValueError):
            with self.governed(agent) as call:
                call.used(REPLY)
                raise ValueError("of the caller's")
        self.assertEqual(self.used(agent), 9)

    def test_where_nobody_knows_the_usage_what_was_held_is_booked_and_said(self):
        c, agent = self.client(), self.agent(output=1000)
        with self.assertRaises(TimeoutError):
            with self.governed(agent, c):
                raise TimeoutError("no answer came")
        with self.governed(agent, c):
            pass
        with self.governed(agent, c) as call:
            call.used({"choices": []})
        self.eventually(lambda: self.used(agent), 150)
        self.assertTrue(all(h["estimated"] for h in self.holds(agent, "EXPIRED")))
        self.assertIn("no usage can be found in a dict", self.warned)
        self.assertEqual([w for w in self.warned if "not known" in w], ["the usage of a call is not known; what it held is booked as an estimate"])

    def test_a_learned_hold_lets_more_calls_run(self):
        agent = self.agent(output=10_000)
        for _ in range(20):
            with self.governed(agent, max_tokens=100) as call:
                call.used({"input_tokens": 1, "output_tokens": 8})
        with self.governed(agent, max_tokens=4000, hold="p95") as call:
            self.assertEqual((call.held["learned"]["samples"], call.held["tokens"]["output"]), (20, 8))
            call.used({"input_tokens": 1, "output_tokens": 8})

    def test_a_key_that_is_used_again_is_another_attempt(self):
        agent = self.agent(output=100)
        for n in range(3):
            with self.governed(agent, idempotency_key=f"job-{agent}") as call:
                if n == 0:
                    call.release()
                else:
                    call.used(REPLY)
        self.assertEqual(self.used(agent), 18)

    def test_two_calls_under_one_key_at_a_time_are_two(self):
        agent, key, other = self.agent(output=200), f"both-{World.agents}", self.client()
        with self.governed(agent, idempotency_key=key) as one:
            with self.governed(agent, other, idempotency_key=key) as two:  # as of another process
                self.assertEqual(one.id, two.id)
                one.used({"output_tokens": 9})
                two.used({"output_tokens": 8})
        self.assertEqual((self.used(agent), self.holds(agent)), (17, []))
        with self.governed(agent, other, idempotency_key=key) as one, self.governed(agent, other, idempotency_key=key) as two:
            self.assertNotEqual(one.id, two.id)
            one.used({"output_tokens": 2})
            two.used({"output_tokens": 1})
        self.assertEqual((self.used(agent), self.holds(agent)), (20, []))

    def test_each_call_is_governed_by_itself(self):
        agent = self.agent(output=200)
        call = self.governed(agent)
        call.run(lambda: REPLY)
        with self.assertRaises(RuntimeError):
            call.run(lambda: REPLY)
        call.used(REPLY)
        self.assertTrue(any("govern each call by itself" in w for w in self.warned))
        self.assertEqual(self.used(agent), 9)

    def test_of_an_object_that_is_not_known_no_text_is_sent(self):
        agent = self.agent(output=1000)
        for reply, output in (
            ({"candidates": [{"text": "secret"}], "usage_metadata": {"prompt_token_count": 3, "candidates_token_count": 7}}, 7),
            ({"output_tokens": 5, "note": "secret", "more": [{"text": "secret"}]}, 5),
        ):
            with self.governed(agent) as call:
                call.used(reply)
            self.assertNotIn("secret", str(self.relay.seen))
            self.assertEqual(call.result["tokens"]["output"], output)

    def test_usage_with_parts_of_an_sdk_is_sent(self):
        agent = self.agent(output=1000)
        with self.governed(agent) as call:
            call.used({"usage": {"prompt_tokens": 8, "completion_tokens": 5, "prompt_tokens_details": Model(cached_tokens=2)}})
        self.assertEqual((call.result["tokens"]["cache_read"], self.used(agent)), (2, 5))

    def test_a_caller_has_his_reply_whatever_becomes_of_the_end(self):
        agent = self.agent(output=1000)
        with self.assertLogs("bursar", "ERROR"):
            got = self.governed(agent).run(lambda: {"usage": {"output_tokens": 5, "odd": object()}})
        self.assertEqual(got["usage"]["output_tokens"], 5)

    def test_a_call_id_counts_once(self):
        agent, name = self.agent(output=100), "call-1"
        with self.governed(agent, call_id=name) as call:
            call.used(REPLY)
        with self.assertRaises(BursarError) as ended:
            with self.governed(agent, call_id=name):
                self.fail("it was made again")
        self.assertEqual((ended.exception.code, self.used(agent)), ("ReservationClosed", 9))

    def test_a_call_that_another_reports_meanwhile_counts_once(self):
        c, agent = self.client(), self.agent(output=100)
        with self.governed(agent, c, call_id=f"call-{agent}") as call:
            c.events({"customerId": "acme", "eventName": "llm", "callId": f"call-{agent}", "dimensions": {"agentId": agent}, "usage": {"output_tokens": 7}})
            call.used(REPLY)
        self.assertEqual((self.used(agent), self.holds(agent)), (7, []))

    def test_with_asyncio(self):
        agent = self.agent(output=100)

        begun = asyncio.Event()

        async def reply():
            return REPLY

        async def never():
            begun.set()
            await asyncio.sleep(60)

        async def main():
            async with AsyncClient(self.relay.url, KEY, on_warning=self.warned.append) as c:
                self.assertIs(await self.governed(agent, c).run(reply), REPLY)
                with self.assertRaises(asyncio.TimeoutError):
                    async with self.governed(agent, c) as call:
                        call.used(REPLY)
                        await asyncio.wait_for(asyncio.sleep(60), 0.01)
                task = asyncio.ensure_future(self.governed(agent, c).run(never))
                await begun.wait()
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task

        asyncio.run(main())
        self.eventually(lambda: self.used(agent), 68)


class Away(World):
    def test_denied_while_the_server_is_away(self):
        with self.assertRaises(Unavailable):
            with Client("http://127.0.0.1:1", KEY).govern("acme"):
                self.fail("the call was made")

    def test_a_hold_whose_answer_did_not_come_is_taken_back(self):
        c, agent = self.client(retries=0), self.agent(output=100)
        self.relay.plan[:] = ["lose", "lose"]
        with self.assertRaises(Unavailable):
            with c.govern("acme", dimensions={"agentId": agent}, max_tokens=50):
                self.fail("the call was made")
        self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.holds(agent), len(self.holds(agent, "RELEASED")), self.used(agent)), ([], 1, 0))

    def test_calls_may_go_on_and_are_reported_once(self):
        c, agent = self.client(retries=0, unavailable="allow"), self.agent(output=5)
        dims = {"agentId": agent}
        for lost in (503, "lose"):  # no hold was made; one was, and its answer was lost
            self.relay.plan[:] = [lost, 503, 503, 503, 503, "lose"]
            with c.govern("acme", dimensions=dims, max_tokens=5) as call:
                self.assertIsNone(call.held)
                call.used({"input_tokens": 2, "output_tokens": 3})
            self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.used(agent), self.used(agent, "input"), self.holds(agent)), (6, 4, []))
        self.assertEqual(len([w for w in self.warned if "nothing is held for" in w]), 1)

    def test_of_an_unheld_call_that_nobody_knows_the_usage_of_the_estimate_is_reported(self):
        c, agent = self.client(retries=0), self.agent(output=100)
        self.relay.plan[:] = [503]
        with c.govern("acme", dimensions={"agentId": agent}, max_tokens=40, input_tokens=7, unavailable="allow"):
            pass
        self.assertEqual((self.used(agent), self.used(agent, "input")), (40, 7))
        self.assertEqual(self.relay.seen[-1][2]["events"][0]["dimensions"]["estimated"], True)

    def test_no_more_calls_go_on_than_can_wait(self):
        c, agent = self.client(retries=0, unavailable="allow", max_pending=2), self.agent()
        self.relay.plan[:] = [503] * 1000
        calls = [c.govern("acme", dimensions={"agentId": agent}) for _ in range(2)]
        for call in calls:
            call.__enter__()
        with self.assertRaises(Unavailable):
            with c.govern("acme", dimensions={"agentId": agent}):
                self.fail("it could not be counted")
        for call in calls:
            call.used({"output_tokens": 1})
            call.__exit__(None, None, None)
        self.relay.plan.clear()
        self.assertEqual((c.flush(60), self.used(agent)), (0, 2))

    def test_one_who_asks_too_often_is_denied_all_the_same(self):
        c, agent = self.client(retries=0, unavailable="allow"), self.agent()
        self.relay.plan[:] = [429]
        with self.assertRaises(Unavailable):
            with c.govern("acme", dimensions={"agentId": agent}):
                self.fail("it went on")

    def test_a_hold_that_is_taken_back_is_not_one_that_a_call_has(self):
        c, agent = self.client(retries=0), self.agent(output=100)
        options = {"dimensions": {"agentId": agent}, "max_tokens": 50, "idempotency_key": f"job-{World.agents}"}
        later, undos, c.books.later = c.books.later, [], lambda ticket, **_: undos.append(ticket)
        self.relay.plan[:] = ["lose"]
        with self.assertRaises(Unavailable):
            with c.govern("acme", **options):
                self.fail("the call was made")
        c.books.later = later
        with c.govern("acme", **options) as call:
            later(undos[0])
            self.assertEqual((c.flush(60), self.holds(agent)[0]["id"]), (0, call.id))
            call.used({"output_tokens": 9})
        self.assertEqual((self.used(agent), self.holds(agent)), (9, []))

    def test_a_hold_that_was_made_before_the_server_went_is_taken_back(self):
        relay = Relay(self.server)
        c, agent = self.client(relay.url, retries=0), self.agent(output=100)
        c.denials("acme")  # a connection is kept
        relay.plan[:] = ["lose and go"]
        with self.assertRaises(Unavailable) as away:
            with c.govern("acme", dimensions={"agentId": agent}, max_tokens=50):
                self.fail("the call was made")
        self.assertTrue(away.exception.sent)
        self.assertEqual((len(self.holds(agent)), len(c.books)), (1, 1))
        c._connections._port = int(self.relay.url.rpartition(":")[2])  # it is back
        self.assertEqual((c.flush(60), self.holds(agent), self.used(agent)), (0, [], 0))

    def test_an_end_that_could_not_be_sent_is_sent_later_with_the_same_key(self):
        c, agent = self.client(), self.agent(output=100)
        with c.govern("acme", dimensions={"agentId": agent}, max_tokens=50) as call:
            self.relay.plan[:] = ["lose", 503, 503, "lose"]
            self.relay.seen.clear()
            call.used(REPLY)
        self.assertEqual(c.flush(60), 0)
        self.assertEqual(len({key for *_, key in self.relay.seen}), 1)
        self.assertEqual((self.used(agent), len(self.relay.seen)), (9, 5))


