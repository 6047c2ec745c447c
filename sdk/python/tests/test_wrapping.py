"""Clients made as OpenAI's and Anthropic's SDKs are, whose calls are governed."""

import asyncio
import gc
import itertools
from unittest import mock

from bursar import AsyncClient, BudgetDenied, Client
from tests import provider
from tests.provider import NotGiven, Provider
from tests.world import KEY, World

ASK = {"model": "gpt-5", "max_completion_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
SAY = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
RESPOND = {"model": "gpt-5", "max_output_tokens": 100, "input": "Hello"}


def events(stream):
    return [event.model_dump() for event in stream]


class Wrapping(World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.provider = Provider()
        cls.addClassCleanup(cls.provider.close)

    def setUp(self):
        super().setUp()
        self.provider.asked.clear()
        self.provider.fail.clear()
        self.provider.cut = None

    def openai(self, agent, bursar=None, **options):
        return (bursar or self.client()).governed(provider.OpenAI(self.provider.url), "acme", dimensions={"agentId": agent}, **options)

    def anthropic(self, agent, bursar=None, **options):
        return (bursar or self.client()).governed(provider.Anthropic(self.provider.url), "acme", dimensions={"agentId": agent}, **options)

    def held(self):
        """What was asked to be held, of each call."""
        return [body for _, path, body, _ in self.relay.seen if path.endswith("/reservations")]

    def test_replies_are_recorded_and_returned_as_they_are(self):
        agent = self.agent(output=1000)
        openai, anthropic = self.openai(agent), self.anthropic(agent)
        self.assertEqual(openai.chat.completions.create(**ASK, n=2).choices[0].message.content, "Hello")
        self.assertEqual(openai.responses.create(**RESPOND).model, "gpt-5")
        openai.embeddings.create(model="e", input=["a", "b"])
        openai.chat.completions.parse(**ASK, stream=NotGiven())
        self.assertEqual(anthropic.messages.create(**SAY).usage.output_tokens, 15)
        self.assertEqual([h["maxTokens"] for h in self.held()], [200, 100, 0, 100, 100])
        self.assertEqual([h["dimensions"]["provider"] for h in self.held()], ["openai"] * 4 + ["anthropic"])
        self.assertEqual((self.used(agent), self.used(agent, "input")), (9 + 3 + 9 + 15, 15 + 10 + 4 + 15 + 25))
        self.assertEqual(self.holds(agent), [])

    def test_streams_pass_without_what_was_asked_for_here(self):
        agent = self.agent(output=1000)
        openai, plain = self.openai(agent), provider.OpenAI(self.provider.url)
        with plain.chat.completions.create(**ASK, stream=True) as want:
            want = events(want)
        with openai.chat.completions.create(**ASK, stream=True) as got:
            self.assertEqual([{k: v for k, v in e.items() if k != "usage"} for e in events(got)], want)
        self.assertEqual(self.provider.asked[-1][1]["stream_options"], {"include_usage": True})
        self.assertEqual(self.used(agent), 9)
        told = events(openai.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
        self.assertEqual((told[-1]["usage"], self.used(agent)), (provider.CHAT, 18))
        self.assertEqual(len(events(openai.responses.create(**RESPOND, stream=True))), 3)
        self.assertEqual(self.used(agent), 21)
        commit = self.relay.seen[-1][2]
        self.assertEqual(commit["usage"]["output"], [{"type": "web_search_call"}])
        self.assertEqual(len(events(self.anthropic(agent).messages.create(**SAY, stream=True))), 5)
        self.assertEqual((self.used(agent), self.used(agent, "input")), (36, 15 + 15 + 10 + 25))

    def test_helpers_of_streams_are_governed_once(self):
        agent = self.agent(output=1000)
        openai = self.openai(agent)
        with openai.chat.completions.stream(**ASK) as stream:
            self.assertEqual(len(stream.until_done()), 4)
        with openai.responses.stream(**RESPOND) as stream:
            stream.until_done()
        with self.anthropic(agent).messages.stream(**SAY) as stream:
            self.assertEqual(len(stream.until_done()), 5)
        self.assertEqual((len(self.held()), self.used(agent), self.holds(agent)), (3, 27, []))

    def test_a_denial_is_raised_before_anything_is_sent(self):
        agent = self.agent(output=99)
        openai, anthropic = self.openai(agent), self.anthropic(agent)
        for call in (lambda: openai.chat.completions.create(**ASK), lambda: openai.responses.create(**RESPOND, stream=True), lambda: anthropic.messages.create(**SAY)):
            with self.assertRaises(BudgetDenied):
                call()
        with self.assertRaises(BudgetDenied), anthropic.messages.stream(**SAY):
            self.fail("it was sent")
        self.assertEqual(self.provider.asked, [])

    def test_a_refusal_of_the_provider_is_free(self):
        agent = self.agent(output=1000)
        for stream in (False, True):
            self.provider.fail[:] = [429]
            with self.assertRaises(provider.APIStatusError):
                self.openai(agent).chat.completions.create(**ASK, stream=stream)
        self.provider.fail[:] = [529]
        with self.assertRaises(provider.APIStatusError), self.anthropic(agent).messages.stream(**SAY):
            self.fail("it was answered")
        self.assertEqual((self.used(agent), self.holds(agent), len(self.holds(agent, "RELEASED"))), (0, [], 3))

    def test_of_a_stream_that_is_left_what_came_is_recorded_as_estimated(self):
        agent = self.agent(output=1000)
        with self.openai(agent).chat.completions.create(**ASK, stream=True) as stream:
            next(stream), next(stream)
        self.assertEqual((self.used(agent), self.relay.seen[-1][2]["properties"]), (4, {"estimated": True}))  # "Hello, you"
        stream = self.anthropic(agent).messages.create(**SAY, stream=True)
        next(stream), next(stream)
        stream.close()
        self.assertEqual((self.used(agent), self.relay.seen[-1][2]["usage"]["cache_read_input_tokens"]), (8, 4))  # "Hello there"
        with self.assertRaises(KeyError), self.anthropic(agent).messages.stream(**SAY) as stream:
            for _ in stream:
                raise KeyError("of the caller's")
        self.assertEqual((self.used(agent), self.used(agent, "input")), (9, 13 + 25 + 25))  # 38 characters are 13 tokens

    def test_of_a_stream_that_is_left_at_its_finish_the_usage_is_recorded(self):
        agent = self.agent(output=1000)
        ended = lambda event: event.choices[0].finish_reason  # noqa: E731
        for n, left in enumerate(("closed", "forgotten", "read on"), 1):
            bursar = self.client()
            stream = self.openai(agent, bursar).chat.completions.create(**ASK, stream=True)
            self.assertEqual(len(list(itertools.takewhile(lambda e: not ended(e), stream))), 3)
            if left == "closed":
                stream.close()
            elif left == "read on":
                self.assertEqual((events(stream), events(stream)), ([], []))
            del stream
            gc.collect()
            self.assertEqual((bursar.flush(60), self.used(agent)), (0, 9 * n))
        with self.assertRaises(KeyError), self.openai(agent).chat.completions.stream(**ASK) as stream:
            for event in stream:
                if ended(event):
                    raise KeyError("as a reply that is too long is refused")
        self.assertEqual(self.used(agent), 36)

    def test_what_comes_after_a_finish_is_not_lost(self):
        agent = self.agent(output=1000)
        self.provider.cut = 4  # the usage does not come
        stream = self.openai(agent).chat.completions.create(**ASK, stream=True)
        self.assertEqual([next(stream).choices[0].finish_reason for _ in range(4)], [None] * 3 + ["stop"])
        with self.assertRaises(ConnectionResetError):
            next(stream)
        self.provider.cut = None
        finish = {"choices": [{"finish_reason": "stop", "delta": {}}]}
        with mock.patch.dict(provider.EVENTS, {"/v1/chat/completions": lambda ask: [finish, {**finish, "second": 2}, {"choices": [], "usage": provider.CHAT}, "[DONE]"]}):
            self.assertEqual(events(self.openai(agent).chat.completions.create(**ASK, stream=True, n=2)), [finish, {**finish, "second": 2}])
        self.assertEqual(self.used(agent), 7 + 9)

    def test_one_who_wants_no_usage_is_not_asked_for_it(self):
        agent, openai = self.agent(output=1000), provider.OpenAI(self.provider.url)
        stream = self.openai(agent).chat.completions.create(**ASK, stream=True, stream_options={"include_usage": False})
        self.assertEqual((len(events(stream)), self.used(agent)), (4, 7))  # 21 characters came
        self.assertEqual(self.provider.asked[-1][1]["stream_options"], {"include_usage": False})

        def create(self, *, model, messages, max_completion_tokens, stream):
            return self._post({"model": model, "messages": messages, "stream": stream})

        with mock.patch.object(provider.Resource, "create", create):
            self.assertEqual(len(events(self.openai(agent).chat.completions.create(**ASK, stream=True))), 4)
        self.assertNotIn("stream_options", self.provider.asked[-1][1])

    def test_a_response_that_was_made_before_is_not_recorded_again(self):
        with self.openai(self.agent()).responses.stream(**RESPOND, response_id="r") as stream:
            stream.until_done()
        self.assertEqual(self.held(), [])

    def test_in_the_child_of_a_fork_a_stream_of_the_parent_is_not_ended(self):
        agent = self.agent(output=1000)
        stream = self.openai(agent).chat.completions.create(**ASK, stream=True)
        next(stream), next(stream)
        with mock.patch("os.getpid", return_value=0):
            stream.close()
        self.assertEqual((self.used(agent), len(self.holds(agent))), (0, 1))
        stream.close()
        self.assertEqual((self.used(agent), self.holds(agent)), (4, []))

    def test_of_a_stream_that_breaks_off_what_came_or_what_was_held_is_recorded(self):
        agent = self.agent(output=1000)
        self.provider.cut = 2
        with self.assertRaises(ConnectionResetError):
            events(self.openai(agent).chat.completions.create(**ASK, stream=True))
        self.assertEqual(self.used(agent), 4)
        with self.assertRaises(ConnectionResetError):
            events(self.openai(agent, broken="held").chat.completions.create(**ASK, stream=True))
        self.eventually(lambda: self.used(agent), 104)

    def test_a_stream_that_is_forgotten_is_recorded_too(self):
        agent, bursar = self.agent(output=1000), self.client()
        stream = self.openai(agent, bursar).chat.completions.create(**ASK, stream=True)
        next(stream), next(stream)
        del stream
        gc.collect()
        self.assertEqual((bursar.flush(60), self.used(agent)), (0, 4))

    def test_copies_and_raw_replies_are_governed(self):
        agent = self.agent(output=1000)
        openai = self.openai(agent)
        self.assertEqual(openai.with_options(timeout=5).timeout, 5)
        openai.with_options(timeout=5).copy().chat.completions.create(**ASK)
        raw = openai.with_raw_response.chat.completions.create(**ASK)
        self.assertEqual((raw.parse().model, self.used(agent)), ("gpt-5", 18))

    def test_a_raw_reply_that_cannot_be_parsed_is_returned_and_ended(self):
        agent = self.agent(output=1000)
        too_long = ValueError("the reply is too long")
        with mock.patch.object(provider.Raw, "parse", side_effect=too_long):
            self.assertIsInstance(self.openai(agent).with_raw_response.chat.completions.create(**ASK), provider.Raw)
            self.eventually(lambda: self.used(agent), 100)
            too_long.completion = {"usage": provider.CHAT}
            self.openai(agent).with_raw_response.chat.completions.create(**ASK)
        with mock.patch.object(provider.Resource, "parse", side_effect=too_long), self.assertRaises(ValueError):
            self.openai(agent).chat.completions.parse(**ASK)
        self.assertEqual((self.used(agent), self.holds(agent)), (118, []))

    def test_the_client_that_was_given_is_as_it_was(self):
        agent, openai = self.agent(output=0), provider.OpenAI(self.provider.url)
        governed = self.client().governed(openai, "acme", dimensions={"agentId": agent})
        openai.chat.completions.create(**ASK)
        with self.assertRaises(BudgetDenied):
            governed.chat.completions.create(**ASK)

    def test_what_is_not_governed_says_so(self):
        self.openai(self.agent()).images.generate(model="i", prompt="a cat")
        self.assertEqual(len([w for w in self.warned if "images" in w]), 1)
        self.assertEqual(self.held(), [])

    def test_what_cannot_be_governed_says_so(self):
        self.openai(self.agent())
        self.assertEqual(sorted(w.split(" ")[0] for w in self.warned), ["beta.chat.completions.create", "beta.chat.completions.parse", "beta.chat.completions.stream", "beta.threads"])

    def test_dimensions_may_be_those_of_the_moment(self):
        one, two = self.agent(output=100), self.agent(output=100)
        now = {"agentId": one}
        openai = self.client().governed(provider.OpenAI(self.provider.url), "acme", dimensions=lambda: now)
        openai.chat.completions.create(**ASK)
        now = {"agentId": two}
        openai.chat.completions.create(**ASK)
        self.assertEqual((self.used(one), self.used(two)), (9, 9))

    def test_what_is_no_client_is_refused(self):
        for sdk in (object(), provider.AsyncOpenAI(self.provider.url)):
            with self.assertRaises(TypeError):
                self.client().governed(sdk, "acme")
        with self.assertRaises(ValueError):
            self.openai("x", broken="sometimes")
        with self.assertRaises(ValueError):
            self.openai("x", call_id="of one call")

    def test_messages_that_come_once_are_sent_and_counted(self):
        agent = self.agent(output=1000)
        self.openai(agent).chat.completions.create(**{**ASK, "messages": iter(ASK["messages"])})
        self.assertEqual(self.provider.asked[-1][1]["messages"], ASK["messages"])

    def test_with_asyncio(self):
        agent, poor = self.agent(output=1000), self.agent(output=0)

        async def main():
            async with AsyncClient(self.relay.url, KEY, on_warning=self.warned.append) as c:
                openai = c.governed(provider.AsyncOpenAI(self.provider.url), "acme", dimensions={"agentId": agent})
                anthropic = c.governed(provider.AsyncAnthropic(self.provider.url), "acme", dimensions={"agentId": agent})
                await openai.chat.completions.create(**ASK)
                stream = await openai.chat.completions.create(**ASK, stream=True)
                self.assertEqual(len([e async for e in stream]), 4)
                async with openai.chat.completions.stream(**ASK) as stream:
                    self.assertEqual(len([e async for e in stream]), 4)
                async with anthropic.messages.stream(**SAY) as stream:
                    self.assertEqual(len([e async for e in stream]), 5)
                self.assertEqual((self.used(agent), len(self.held())), (42, 4))
                async with await anthropic.messages.create(**SAY, stream=True) as stream:
                    await stream.__anext__(), await stream.__anext__()
                self.assertEqual(self.used(agent), 46)
                stream = await openai.chat.completions.create(**ASK, stream=True)
                async for event in stream:
                    if event.choices[0].finish_reason:
                        break
                await stream.close()
                self.assertEqual(self.used(agent), 55)
                broke = c.governed(provider.AsyncOpenAI(self.provider.url), "acme", dimensions={"agentId": poor})
                with self.assertRaises(BudgetDenied):
                    await broke.responses.create(**RESPOND)
                with self.assertRaises(TypeError):
                    c.governed(provider.OpenAI(self.provider.url), "acme")

        asyncio.run(main())
        self.assertEqual(self.holds(agent), [])
