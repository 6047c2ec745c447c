// A caller of the generated types: it compiles when names and shapes are what callers expect.
import type { components, operations } from "./bursar";

type Reserve = components["schemas"]["ReserveIn"];
export const hold: Reserve = { featureId: "llm-tokens", amount: 500, dimensions: { agentId: "agent-7", retries: 2, stream: true }, idempotencyKey: "call-1" };

type Checked = operations["checkEntitlement"]["responses"]["200"]["content"]["application/json"]["data"];
export function left(check: Checked): number | null {
  if (check.isGranted) return null;
  return check.binding ? check.binding.remaining : null;
}

export function refusal(problem: components["schemas"]["Problem"]): string {
  return `${problem.code}: ${problem.detail}`;
}
