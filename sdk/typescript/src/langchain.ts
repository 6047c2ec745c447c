// Middleware of LangChain's agents. It knows the shapes that it needs, and no package of theirs.
import type { Bursar } from "./client.js";
import type { Caller } from "./fetch.js";
import type { Call } from "./hold.js";
import { Reading, characters, isObject } from "./usage.js";
import { endBy } from "./watched.js";

/** What of a request to a model is read. */
interface Request {
  model: unknown;
  messages: readonly unknown[];
  systemMessage?: unknown;
  tools?: readonly unknown[];
  runtime?: { signal?: AbortSignal | undefined };
}

/** What createMiddleware of LangChain takes. */
export interface AgentMiddleware {
  name: string;
  wrapModelCall<Q extends Request, R>(request: Q, handler: (request: Q) => R | Promise<R>): Promise<R>;
}

/**
 * Governs each call of a model by an agent of LangChain, of any provider:
 * createAgent({ model, tools, middleware: [createMiddleware(budget(bursar, call))] }). A denial is BudgetDenied,
 * and nothing is sent. What comes after it among the middleware, such as retries, is within one call: put it last.
 */
export function budget(bursar: Bursar, caller: Caller): AgentMiddleware {
  return {
    name: "BursarBudget",
    async wrapModelCall<Q extends Request, R>(request: Q, handler: (request: Q) => R | Promise<R>) {
      const hold = await bursar.hold(callOf(caller, request), request.runtime?.signal);
      let reply: Awaited<R>;
      try {
        reply = await handler(request);
      } catch (e) {
        await hold.failed(e);
        throw e;
      }
      const reading = new Reading();
      if (isObject(reply)) reading.whole(replyOf(reply));
      await endBy(reading, hold, bursar, true, "held");
      return reply;
    },
  };
}

function callOf(caller: Caller, request: Request): Call {
  const call = typeof caller === "function" ? caller() : caller;
  const model = fieldsOf(request.model);
  return {
    ...call,
    dimensions: { ...(model.provider ? { provider: model.provider } : {}), ...call.dimensions },
    model: model.name ?? call.model,
    maxTokens: model.maxTokens ?? call.maxTokens,
    callId: undefined,
    inputCharacters: Math.max(sizeOf(request.systemMessage) + sum(request.messages.map(sizeOf)) + sum((request.tools ?? []).map(toolSize)), 1),
  };
}

/** What a model of LangChain says of itself. One that initChatModel made has it in its configuration. */
function fieldsOf(model: unknown): { name?: string | undefined; provider?: string | undefined; maxTokens?: number | undefined } {
  if (!isObject(model)) return {};
  const of = isObject(model._defaultConfig) ? model._defaultConfig : model;
  const text = (v: unknown) => (typeof v === "string" && v ? v : undefined);
  const count = (v: unknown) => (typeof v === "number" && v > 0 ? v : undefined);
  return {
    name: text(of.model) ?? text(of.modelName),
    provider: text(of.modelProvider) ?? (typeof model._llmType === "function" ? text(model._llmType()) : undefined),
    maxTokens: count(of.maxTokens) ?? count(of.maxOutputTokens),
  };
}

const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);

/** The characters of a message: of what it says and of the tools that it calls. */
const sizeOf = (message: unknown) => (isObject(message) ? characters(message.content) + characters(message.tool_calls) : characters(message));

const unreadSchema = 300; // characters of a tool's schema that is no plain object

function toolSize(tool: unknown): number {
  if (!isObject(tool)) return 0;
  if (typeof tool.name !== "string" || !("schema" in tool)) return characters(tool);
  const schema = isObject(tool.schema) && typeof tool.schema.type === "string" && isObject(tool.schema.properties) ? characters(tool.schema) : unreadSchema;
  return tool.name.length + characters(tool.description) + schema;
}

/** A message of a model as a provider's reply. */
function replyOf(message: Record<string, unknown>): Record<string, unknown> {
  const said = isObject(message.response_metadata) ? message.response_metadata : {};
  return { model: said.model_name ?? said.model, usage: message.usage_metadata, service_tier: said.service_tier };
}
