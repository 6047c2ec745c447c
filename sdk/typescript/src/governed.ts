import type { Bursar } from "./client.js";
import { type Caller, type FetchOptions, governedFetch, refusalOf } from "./fetch.js";

/** What is needed of a provider's client; those of OpenAI and Anthropic have it. */
export interface Governable {
  withOptions(options: never): unknown;
}

interface Parts {
  fetch?: typeof fetch;
  withOptions(options: object): Parts;
  makeStatusError?(status: number, error: unknown, message: unknown, headers: unknown): unknown;
}

export function governedClient<C extends Governable>(client: C, bursar: Bursar, caller: Caller, o: FetchOptions): C {
  const from = client as unknown as Parts;
  const fetch = governedFetch(bursar, caller, { ...o, fetch: o.fetch ?? from.fetch });
  return withDenials(from.withOptions({ fetch })) as unknown as C;
}

/** Has a client, and those that are made from it, throw what a refusal stands for in place of an error of their own. */
function withDenials(client: Parts): Parts {
  const { makeStatusError, withOptions } = client;
  client.makeStatusError = function (status, error, message, headers) {
    return refusalOf(headers) ?? makeStatusError?.call(this, status, error, message, headers);
  };
  client.withOptions = function (options) {
    return withDenials(withOptions.call(this, options));
  };
  return client;
}
