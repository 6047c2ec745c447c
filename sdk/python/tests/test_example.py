"""examples/python/agent.py winds down when its budget nears its end."""

import os
import subprocess
import sys
from pathlib import Path

from tests.provider import WHOLE, Provider
from tests.world import KEY, ROOT, World


class Agent(World):
    def test_it_sums_up_before_its_budget_is_used_up(self):
        talker = Provider()
        self.addCleanup(talker.close)

        def answer(ask):
            done = "sum up" in ask["messages"][-1]["content"]
            return {"model": ask["model"], "choices": [{"message": {"role": "assistant", "content": "DONE: budgets help." if done else "More."}}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 150}}  # fmt: skip

        before, WHOLE["/v1/chat/completions"] = WHOLE["/v1/chat/completions"], answer
        self.addCleanup(WHOLE.update, {"/v1/chat/completions": before})

        def run(agent):
            env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "BURSAR_URL": self.server.url, "BURSAR_KEY": KEY,
                   "OPENAI_BASE_URL": talker.url + "/v1", "OPENAI_API_KEY": "sk-none"}  # fmt: skip
            done = subprocess.run([sys.executable, ROOT / "examples/python/agent.py", "acme", agent], env=env, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.splitlines()

        agent = self.agent(output=1000)
        lines = run(agent)
        self.assertEqual(lines[-1], "DONE: budgets help.")
        self.assertLessEqual(self.used(agent), 1000)
        self.assertIn("wind_down", lines[-3])
        self.assertTrue(all(line.endswith("ok") for line in lines[:-3]))
        self.assertEqual(run(self.agent(output=150))[-1].split(",")[0], f"stopped by the budget of agent-{World.agents}")
        marked = [line for line in (ROOT / "examples/python/agent.py").read_text().splitlines() if line.rsplit("#", 1)[-1].strip().isdigit()]
        self.assertEqual(len(marked), 5)
