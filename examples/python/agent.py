"""An agent that researches until its work is done or its budget nears its end, and winds down in time.

It works against a Bursar server and whatever speaks as OpenAI does:

    BURSAR_URL=… BURSAR_KEY=… OPENAI_BASE_URL=… OPENAI_API_KEY=… python3 agent.py CUSTOMER AGENT

All that Bursar asks of it are the lines that are marked.
"""

import json
import os
import sys
import urllib.request

from bursar import BudgetDenied, Client  # 1

MODEL, MOST = "gpt-5-mini", 200


def chat(messages, max_tokens):
    """A reply of the model, as its API answers. An SDK's call would do as well."""
    ask = {"model": MODEL, "messages": messages, "max_completion_tokens": max_tokens}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps(ask).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def research(bursar, customer, agent):
    """Asks one question after the other, and sums up before there is nothing left to do so with."""
    messages = [{"role": "user", "content": "Research budgets for agents. Say DONE when you are."}]
    for step in range(100):
        call = bursar.govern(customer, dimensions={"agentId": agent}, model=MODEL, max_tokens=MOST, input=messages)  # 2
        try:
            reply = call.run(chat, messages, MOST)  # 3
        except BudgetDenied as e:  # 4
            return f"stopped by the budget of {e.entity_id}, of which {e.remaining} is left until {e.resets_at:%Y-%m-%d}"
        said = reply["choices"][0]["message"]
        messages.append(said)
        print(f"step {step + 1}: {call.remaining} left, {call.advice}")
        if "DONE" in said["content"]:
            return said["content"]
        if call.advice != "ok":  # 5
            messages.append({"role": "user", "content": "Your budget nears its end: sum up now, and say DONE."})
        else:
            messages.append({"role": "user", "content": "Go on."})
    return "not done after 100 steps"


if __name__ == "__main__":
    with Client(os.environ["BURSAR_URL"], os.environ["BURSAR_KEY"]) as client:
        print(research(client, *sys.argv[1:3]))
