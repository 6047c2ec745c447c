"""Budgets for AI usage, enforced while it happens: the client of Bursar.

    bursar = Client("http://127.0.0.1:8080", key)
    with bursar.govern("acme", dimensions={"agentId": "agent-7", "model": "gpt-5"}, max_tokens=4000, input=messages) as call:
        call.used(openai.chat.completions.create(model="gpt-5", messages=messages, max_completion_tokens=4000))
"""

from .client import AsyncClient, Client
from .errors import BudgetDenied, BursarError, Unavailable
from .govern import AsyncGoverned, Governed

__all__ = ["AsyncClient", "AsyncGoverned", "BudgetDenied", "BursarError", "Client", "Governed", "Unavailable"]
__version__ = "0.1.0"
