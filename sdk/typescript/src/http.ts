import { BursarError, failure, unavailable } from "./errors.js";

/** How a server is reached. */
export interface Transport {
  url: string;
  key: string;
  fetch: typeof fetch;
  /** Of one attempt. */
  timeoutMs: number;
  /** How often what failed for a moment is sent again. */
  retries: number;
}

/** What the caller of one method may say about it. */
export interface RequestOptions {
  /** Ends the call; then it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** One key is one act: what is sent again with it counts once. Made up where it is left out. */
  idempotencyKey?: string | undefined;
  timeoutMs?: number | undefined;
  retries?: number | undefined;
}

export interface Message {
  method: string;
  path: string;
  query?: object | undefined;
  body?: object | undefined;
}

const firstBackoffMs = 50;
const maxBackoffMs = 2_000;
const maxRetryAfterMs = 30_000;

/** Sends a message until it is answered, refused for good, or was tried often enough. Whatever it is may be sent again: it reads, or has a key, or ends a hold. */
export async function send(to: Transport, m: Message, o: RequestOptions): Promise<unknown> {
  const retries = o.retries ?? to.retries;
  let reached = false;
  const body = m.body && JSON.stringify(m.body); // what cannot be written is the caller's error
  o.signal?.throwIfAborted();
  try {
    for (let attempt = 0; ; attempt++) {
      const answer = await once(to, m, body, o);
      if (!("error" in answer)) return answer.value;
      reached ||= !neverSent(answer.error);
      if (attempt >= retries || !answer.again) throw answer.error;
      const most = Math.min(firstBackoffMs * 2 ** attempt, maxBackoffMs);
      await sleep(answer.waitMs ?? most / 2 + (Math.random() * most) / 2, o.signal);
    }
  } catch (e) {
    const inMidst = o.signal?.aborted === true;
    if ((reached || inMidst) && typeof e === "object" && e !== null) arrived.add(e);
    throw e;
  }
}

const arrived = new WeakSet<object>();

/** Whether the server may have done what the error is the answer to. */
export const mayHaveArrived = (e: unknown) => typeof e === "object" && e !== null && arrived.has(e);

type Answer = { value: unknown } | { error: BursarError; again: boolean; waitMs?: number | undefined };

async function once(to: Transport, m: Message, body: string | undefined, o: RequestOptions): Promise<Answer> {
  const timeout = new AbortController();
  const timeoutMs = o.timeoutMs ?? to.timeoutMs;
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  const stop = () => timeout.abort();
  o.signal?.addEventListener("abort", stop, { once: true });
  try {
    const reply = await to.fetch(to.url + "/api/v1" + m.path + search(m.query), {
      method: m.method,
      headers: {
        "X-API-KEY": to.key,
        Accept: "application/json",
        ...(body ? { "Content-Type": "application/json" } : {}),
        ...(o.idempotencyKey ? { "Idempotency-Key": o.idempotencyKey } : {}),
      },
      ...(body ? { body } : {}),
      redirect: "manual", // the key is for this server alone, and what is sent again would be another request
      signal: timeout.signal,
    });
    if (reply.type === "opaqueredirect" || (reply.status >= 300 && reply.status < 400)) {
      return { error: new BursarError(reply.status, { code: "Redirected", message: `${to.url} leads elsewhere: give the server's own address` }), again: false };
    }
    const text = await reply.text();
    if (reply.ok) return { value: parse(text) };
    const error = failure(reply.status, text, reply.headers.get("X-Request-Id") ?? undefined);
    const said = reply.headers.get("X-Should-Retry");
    const seconds = Number(reply.headers.get("Retry-After"));
    return {
      error,
      again: reply.status !== 402 && (said ? said === "true" : [408, 429, 502, 503, 504].includes(reply.status)),
      waitMs: seconds > 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined,
    };
  } catch (cause) {
    o.signal?.throwIfAborted();
    if (cause instanceof BursarError) return { error: cause, again: false };
    const why = timeout.signal.aborted ? `no answer within ${timeoutMs} ms` : reason(cause);
    return { error: new BursarError(0, { code: unavailable, message: `Bursar at ${to.url} cannot be asked: ${why}`, retryable: true, cause }), again: true };
  } finally {
    clearTimeout(timer);
    o.signal?.removeEventListener("abort", stop);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BursarError(0, { code: "UnreadableReply", message: "the reply is no JSON: is the address that of a Bursar server?", cause });
  }
}

function reason(e: unknown): string {
  const cause = (e as { cause?: { message?: string; code?: string } })?.cause;
  return cause?.message || cause?.code || (e instanceof Error ? e.message : String(e));
}

const notReached = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

/** Whether it is certain that what failed was never sent. */
export function neverSent(e: unknown): boolean {
  for (let at = e, n = 0; at && n < 5; at = (at as { cause?: unknown }).cause, n++) {
    const { code, errors } = at as { code?: string; errors?: unknown };
    if (code !== undefined && notReached.has(code)) return true;
    if (Array.isArray(errors) && errors.length > 0) return errors.every(neverSent); // of each address that was tried
  }
  return false;
}

function search(query: object | undefined): string {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const one of value) q.append(`${name}[]`, String(one));
    else if (typeof value === "object" && value !== null) for (const [key, one] of Object.entries(value)) q.append(`${name}[${key}]`, String(one));
    else q.append(name, String(value));
  }
  const text = q.toString();
  return text && "?" + text;
}

export function sleep(ms: number, signal?: AbortSignal | undefined): Promise<void> {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      failed(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      done();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** An idempotency key that nobody has. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
