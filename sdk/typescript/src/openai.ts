import type { Bursar } from "./client.js";
import type { Caller, FetchOptions } from "./fetch.js";
import { type Governable, governedClient } from "./governed.js";

/**
 * A client of OpenAI's SDK like the given one, whose calls of models are governed: chat completions, responses, embeddings,
 * images and sound, streams and helpers of them, too. A denial is BudgetDenied, and is not sent again.
 */
export function governed<C extends Governable>(client: C, bursar: Bursar, caller: Caller, options: FetchOptions = {}): C {
  return governedClient(client, bursar, caller, { provider: "openai", ...options });
}
