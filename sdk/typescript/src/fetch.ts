// A fetch that governs the calls of models that go through it. Whatever speaks as OpenAI or
// Anthropic do can be given it: their SDKs, and those of others.
import type { Bursar } from "./client.js";
import { BudgetDenied, BursarError, isAway } from "./errors.js";
import { type Call, type Hold, defaultMaxTokens } from "./hold.js";
import { neverSent } from "./http.js";
import { metered } from "./metered.js";
import { characters, isObject } from "./usage.js";
import type { Broken } from "./watched.js";

export interface FetchOptions {
  /** That sends the calls. */
  fetch?: typeof fetch | undefined;
  /** The dimension provider, unless the call has one. */
  provider?: string | undefined;
  /** What is recorded of a stream that was left before its usage came; received. */
  broken?: Broken | undefined;
}

/** Whose calls they are: always the same's, or whose it is at the moment of the call. */
export type Caller = Call | (() => Call);

/** Makes a fetch that holds each call of a model, sends it, and records what it used. A denial is a reply of status 402 in the provider's shape, which says that it is not to be sent again. */
export function governedFetch(bursar: Bursar, caller: Caller, o: FetchOptions = {}): typeof fetch {
  const inner = o.fetch ?? ((input, init) => globalThis.fetch(input, init));
  return async (input, init) => {
    const url = new URL(typeof input === "string" ? input : "url" in input ? input.url : input.href, globalThis.location?.href);
    const method = (init?.method ?? (isRequest(input) ? input.method : "GET")).toUpperCase();
    const endpoint = governed(method, url.pathname);
    if (!endpoint) {
      if (!free(method, url.pathname)) bursar.warn(`NOT_GOVERNED: ${method} ${url.pathname} is no call whose use is known`);
      return inner(input, init);
    }
    const call = typeof caller === "function" ? caller() : caller;
    const request = await requestOf(input, init);
    const asked = read(request.body, endpoint);
    if (asked.unread) bursar.warn(`INPUT_NOT_READ: nothing is held for the input of ${url.pathname}`, call.customer);
    const { signal } = request;
    let hold: Hold;
    try {
      hold = await bursar.hold(callOf(call, asked, endpoint, o.provider), signal ?? undefined);
    } catch (e) {
      if (e instanceof BursarError) return refusal(e, endpoint === "messages" ? "anthropic" : "openai");
      throw e;
    }
    if (signal?.aborted) {
      await hold.release();
      throw signal.reason;
    }
    const control = new AbortController();
    const abort = () => control.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    let reply: Response;
    try {
      reply = await inner(request.url ?? input, { ...request, ...withBody(request, asked.body), signal: control.signal });
    } catch (e) {
      await (neverSent(e) ? hold.release() : hold.estimate("no reply came after a call was sent"));
      throw e;
    }
    if (!reply.ok) {
      await hold.release();
      return reply;
    }
    if (!reply.body) {
      await hold.estimate("the reply is empty");
      return reply;
    }
    signal?.removeEventListener("abort", abort);
    return metered(reply, { hold, bursar, filter: asked.body !== undefined, broken: o.broken ?? "received", signal, abort });
  };
}

const isRequest = (input: RequestInfo | URL): input is Request => typeof input !== "string" && "url" in input;

type Sent = RequestInit & { url?: string };

/** What is sent: of a Request, all that matters, with its body in memory. */
async function requestOf(input: RequestInfo | URL, init: RequestInit | undefined): Promise<Sent> {
  if (!isRequest(input)) return { ...init };
  const whole = new Request(input, init);
  const { url, method, headers, redirect, credentials } = whole;
  const text = /json/.test(headers.get("content-type") ?? "");
  return { url, method, headers, redirect, credentials, signal: init?.signal ?? input.signal, body: text ? await whole.text() : await whole.arrayBuffer() };
}

function withBody(request: Sent, body: string | undefined): RequestInit {
  if (body === undefined) return {};
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  return { body, headers };
}

// The ends of paths that are governed, as the gateway has them.
const endpoints = new Set([
  "chat/completions", "completions", "responses", "responses/compact", "embeddings",
  "images/generations", "images/edits", "images/variations",
  "audio/speech", "audio/transcriptions", "audio/translations", "messages",
]);
const noOutput = new Set(["embeddings", "audio/speech"]);

/** The endpoint that is governed at a path; undefined is none. What stands before it, a version or a deployment, does not matter. */
function governed(method: string, path: string): string | undefined {
  if (["GET", "HEAD", "OPTIONS", "DELETE"].includes(method)) return undefined;
  const parts = path.toLowerCase().split("/").filter(Boolean);
  const name = [parts.slice(-2).join("/"), parts.at(-1) ?? ""].find((name) => endpoints.has(name));
  return name === "messages" && parts.at(-3) === "threads" ? undefined : name;
}

/** Whether a path costs nothing: what is only read, and counting of tokens. */
const free = (method: string, path: string) => ["GET", "HEAD", "OPTIONS", "DELETE"].includes(method) || /\/messages\/count_tokens\/?$/.test(path);

interface Asked {
  /** What is sent in place of the body, with the usage asked for; undefined is that it stays. */
  body?: string;
  model?: string;
  maxTokens?: number;
  /** How often the output is asked for. */
  times: number;
  characters?: number;
  /** The size of what is asked is not known. */
  unread?: boolean;
}

function read(body: RequestInit["body"], endpoint: string): Asked {
  if (body instanceof FormData) return readForm(body);
  const text = typeof body === "string" ? body : body instanceof Uint8Array || body instanceof ArrayBuffer ? new TextDecoder().decode(body) : "";
  let ask: unknown;
  try {
    ask = JSON.parse(text);
  } catch {
    // a stream, or something that the provider will refuse
  }
  if (!isObject(ask)) return { times: 1, unread: true };
  const prompts = endpoint === "completions" && Array.isArray(ask.prompt) && typeof ask.prompt[0] !== "number" ? ask.prompt.length : 1;
  const asked: Asked = { characters: sizeOf(ask), times: Math.max(count(ask.n), count(ask.best_of), 1) * Math.max(prompts, 1) };
  if (typeof ask.model === "string") asked.model = ask.model;
  const most = Math.max(...[ask.max_completion_tokens, ask.max_output_tokens, ask.max_tokens].map(count));
  if (most > 0) asked.maxTokens = most;
  const options = isObject(ask.stream_options) ? ask.stream_options : {};
  if (ask.stream === true && (endpoint === "chat/completions" || endpoint === "completions") && options.include_usage !== true) {
    asked.body = JSON.stringify({ ...ask, stream_options: { ...options, include_usage: true } });
  }
  return asked;
}

/** The texts in a request; its settings, which are numbers and short words, are none. */
const sizeOf = (ask: Record<string, unknown>) => Object.entries(ask).reduce((n, [name, v]) => n + (typeof v === "number" ? 0 : characters(v, name)), 0);

const count = (v: unknown) => (typeof v === "number" && v > 0 ? Math.floor(v) : 0);

function readForm(form: FormData): Asked {
  const asked: Asked = { characters: 0, times: Math.max(count(Number(form.get("n"))), 1) };
  form.forEach((v, name) => {
    if (name === "model" && typeof v === "string") asked.model = v;
    else asked.characters = (asked.characters ?? 0) + (typeof v === "string" ? v.length : 4_500);
  });
  return asked;
}

/** What is known of a call from its request comes before what its caller says of all calls. */
function callOf(call: Call, asked: Asked, endpoint: string, provider: string | undefined): Call {
  return {
    ...call,
    callId: undefined,
    dimensions: { ...(provider ? { provider } : {}), ...call.dimensions },
    model: asked.model ?? call.model,
    maxTokens: noOutput.has(endpoint) ? 0 : (asked.maxTokens ?? call.maxTokens ?? defaultMaxTokens) * asked.times,
    hold: noOutput.has(endpoint) ? undefined : call.hold,
    inputCharacters: asked.characters === undefined ? call.inputCharacters : Math.max(asked.characters, 1),
  };
}

const refusals = new WeakMap<Headers, BursarError>();

/** The error that the reply with these headers stands for. */
export const refusalOf = (headers: unknown) => (headers instanceof Headers ? refusals.get(headers) : undefined);

/** A refusal as the provider would say it, so that whatever speaks with it understands. */
function refusal(e: BursarError, kind: "openai" | "anthropic"): Response {
  const denied = e instanceof BudgetDenied;
  const status = isAway(e) ? 503 : e.status === 401 || e.status < 400 ? 500 : e.status; // 401 would be of the provider's key
  const bursar = { code: e.code, ...(denied ? { binding: e.binding, resetsAt: e.resetsAt } : {}) };
  const error =
    kind === "anthropic"
      ? { type: "error", error: { type: denied ? "billing_error" : "api_error", message: e.message, code: e.code, bursar } }
      : { error: { message: e.message, type: denied ? "insufficient_quota" : "api_error", param: null, code: e.code, bursar } };
  const reply = new Response(JSON.stringify(error), { status, headers: { "content-type": "application/json", "x-should-retry": "false", "bursar-error": e.code } });
  refusals.set(reply.headers, e);
  return reply;
}
