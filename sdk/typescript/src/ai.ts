// Middleware of Vercel's AI SDK. It knows the shapes that it needs, and no package of theirs.
import type { Bursar } from "./client.js";
import type { Caller } from "./fetch.js";
import type { Call, Dimensions, Hold } from "./hold.js";
import { Reading, characters, isObject } from "./usage.js";
import { type Broken, endBy, watched } from "./watched.js";

interface Params {
  prompt: unknown;
  tools?: unknown;
  maxOutputTokens?: number | undefined;
  abortSignal?: AbortSignal | undefined;
  providerOptions?: Record<string, unknown> | undefined;
}

interface Model {
  provider: string;
  modelId: string;
}

export interface MiddlewareOptions<V extends "v3" | "v4"> {
  /** Of the AI SDK's interface of models: v4 of its version 7, v3 of its version 6. */
  specificationVersion?: V | undefined;
  /** What is recorded of a stream that was left before its usage came; received. */
  broken?: Broken | undefined;
}

/** What wrapLanguageModel takes. */
export interface Middleware<V extends "v3" | "v4"> {
  readonly specificationVersion: V;
  wrapGenerate<R>(o: { doGenerate: () => PromiseLike<R>; params: Params; model: Model }): Promise<R>;
  wrapStream<P, R extends { stream: ReadableStream<P> }>(o: { doStream: () => PromiseLike<R>; params: Params; model: Model }): Promise<R>;
}

/**
 * Governs the calls of a model of the AI SDK: wrapLanguageModel({ model, middleware: middleware(bursar, call) }). A denial
 * is BudgetDenied, which the SDK does not send again. providerOptions.bursar of one call may add dimensions.
 */
export function middleware<V extends "v3" | "v4" = "v4">(bursar: Bursar, caller: Caller, o: MiddlewareOptions<V> = {}): Middleware<V> {
  return {
    specificationVersion: o.specificationVersion ?? ("v4" as V),
    async wrapGenerate({ doGenerate, params, model }) {
      const hold = await bursar.hold(callOf(caller, params, model), params.abortSignal);
      const result = await run(hold, doGenerate);
      const reading = new Reading();
      if (isObject(result)) reading.whole(replyOf(result, isObject(result.response) ? result.response.modelId : undefined));
      await endBy(reading, hold, bursar, true, "held");
      return result;
    },
    async wrapStream<P, R extends { stream: ReadableStream<P> }>({ doStream, params, model }: { doStream: () => PromiseLike<R>; params: Params; model: Model }) {
      const hold = await bursar.hold(callOf(caller, params, model), params.abortSignal);
      const result = await run(hold, doStream);
      const reading = new Reading();
      let modelId: unknown;
      const piece = (part: P) => {
        if (!isObject(part)) return part;
        if (part.type === "response-metadata") modelId = part.modelId;
        if (typeof part.delta === "string") reading.received += part.delta.length;
        if (part.type === "finish") reading.whole(replyOf(part, modelId));
        return part;
      };
      const watch = { piece, last: () => undefined, nearlyOver: () => false, end: (whole: boolean) => endBy(reading, hold, bursar, whole, o.broken ?? "received") };
      return { ...result, stream: watched(result.stream, watch, { bursar, signal: params.abortSignal, abort: () => {} }) };
    },
  };
}

async function run<R>(hold: Hold, send: () => PromiseLike<R>): Promise<R> {
  try {
    return await send();
  } catch (e) {
    await hold.failed(e);
    throw e;
  }
}

function callOf(caller: Caller, params: Params, model: Model): Call {
  const call = typeof caller === "function" ? caller() : caller;
  const own = isObject(params.providerOptions?.bursar) ? params.providerOptions.bursar : {};
  return {
    ...call,
    dimensions: { provider: model.provider.split(".")[0] ?? "", ...call.dimensions, ...(isObject(own.dimensions) ? (own.dimensions as Dimensions) : {}) },
    model: model.modelId,
    maxTokens: params.maxOutputTokens ?? call.maxTokens,
    callId: undefined,
    inputCharacters: Math.max(characters(params.prompt) + characters(params.tools), 1),
  };
}

/** A result as a provider's reply: with the provider's own usage where that is there, else with the SDK's reading of it. */
function replyOf(result: Record<string, unknown>, model: unknown): Record<string, unknown> {
  const { raw, ...usage } = isObject(result.usage) ? result.usage : {};
  const known = Object.values(usage).some((v) => (isObject(v) ? Object.values(v) : [v]).some((n) => typeof n === "number"));
  const tier = Object.values(isObject(result.providerMetadata) ? result.providerMetadata : {}).find((m) => isObject(m) && typeof m.serviceTier === "string");
  return { model, usage: isObject(raw) && Object.keys(raw).length > 0 ? raw : known ? usage : undefined, ...(isObject(tier) ? { service_tier: tier.serviceTier } : {}) };
}
