"""The packages openai and anthropic themselves, where they are installed: run by scripts/sdk-python.sh."""

import asyncio
import unittest

import anthropic
import openai

from bursar import AsyncClient, BudgetDenied
from tests.provider import Provider
from tests.test_wrapping import ASK, RESPOND, SAY
from tests.world import KEY, World


class Packages(World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.provider = Provider()
        cls.addClassCleanup(cls.provider.close)

    def test_openai(self):
        agent, sdk = self.agent(output=1000), openai.OpenAI(base_url=self.provider.url + "/v1", api_key="sk-none", max_retries=0)
        client = self.client().governed(sdk, "acme", dimensions={"agentId": agent})
        client.chat.completions.create(**ASK)
        chunks = list(client.chat.completions.create(**ASK, stream=True))
        self.assertTrue(all(c.usage is None and c.choices for c in chunks))
        client.responses.create(**RESPOND)
        list(client.responses.create(**RESPOND, stream=True))
        client.embeddings.create(model="e", input="a", encoding_format="float")
        with client.chat.completions.stream(**ASK) as stream:
            stream.until_done()
        client.with_options(timeout=5).with_raw_response.chat.completions.create(**ASK).parse()
        self.assertEqual((self.used(agent), self.holds(agent)), (9 * 4 + 3 * 2, []))
        with client.chat.completions.create(**ASK, stream=True) as stream:
            next(stream), next(stream)
        self.assertEqual(self.used(agent), 46)
        self.provider.fail[:] = [429]
        with self.assertRaises(openai.RateLimitError):
            client.chat.completions.create(**ASK)
        with self.assertRaises(BudgetDenied):
            self.client().governed(sdk, "acme", dimensions={"agentId": self.agent(output=9)}).chat.completions.create(**ASK)
        self.assertEqual((self.used(agent), self.holds(agent)), (46, []))

    def test_anthropic(self):
        agent, sdk = self.agent(output=1000), anthropic.Anthropic(base_url=self.provider.url, api_key="sk-none", max_retries=0)
        client = self.client().governed(sdk, "acme", dimensions={"agentId": agent})
        client.messages.create(**SAY)
        list(client.messages.create(**SAY, stream=True))
        self.provider.fail[:] = [529]
        with self.assertRaises(anthropic.APIStatusError):
            client.messages.create(**SAY)
        self.assertEqual((self.used(agent), self.holds(agent)), (30, []))

    def test_with_asyncio(self):
        agent = self.agent(output=1000)

        async def main():
            async with AsyncClient(self.relay.url, KEY, on_warning=self.warned.append) as c:
                sdk = openai.AsyncOpenAI(base_url=self.provider.url + "/v1", api_key="sk-none", max_retries=0)
                client = c.governed(sdk, "acme", dimensions={"agentId": agent})
                await client.chat.completions.create(**ASK)
                self.assertTrue([x async for x in await client.chat.completions.create(**ASK, stream=True)])

        asyncio.run(main())
        self.assertEqual((self.used(agent), self.holds(agent)), (18, []))


if __name__ == "__main__":
    unittest.main()
