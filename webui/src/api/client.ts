import { decode, encode } from "./json";
import type { Binding, Page } from "./types";

export type ProblemBody = {
  code: string;
  title: string;
  status: number;
  detail: string;
  instance?: string;
  retryable?: boolean;
  errors?: { pointer: string; code: string; detail: string }[];
  binding?: Binding | null;
  /** Of a write that is based on what is no longer so: what is there now. */
  conflicts?: { pointer: string; current: unknown }[];
  allocation?: { entityId: string; usageLimit: unknown; allocated: unknown; available: unknown };
};

/** An answer that is not a success; what it says is for people. */
export class Problem extends Error {
  constructor(readonly body: ProblemBody) {
    super(body.detail || body.title);
  }
  get status() {
    return this.body.status;
  }
}

export const isStatus = (e: unknown, ...status: number[]) => e instanceof Problem && status.includes(e.status);

export type Query = Record<string, string | number | boolean | string[] | null | undefined>;
export type Call = { at: number; method: string; path: string; body?: string; status: number; ms: number };

/** On what a write is to happen: once under a key, and on top of a revision. */
type Conditions = { idempotencyKey?: string; ifMatch?: string };

const callsKept = 60;

/** The HTTP API with one credential. It remembers its latest calls, for people who want to make them themselves. */
export class Api {
  private calls: readonly Call[] = [];
  private used = false;
  private watchers = new Set<() => void>();

  constructor(
    readonly base: string,
    /** Read at each call: tokens are replaced while a page is open. */
    readonly token: () => string,
    /** A credential is refused; used: one was accepted before. */
    readonly refused: (used: boolean, token: string) => void = () => {},
    /** The server has answered, and knows a credential. */
    readonly accepted: (token: string) => void = () => {},
  ) {}

  get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
    return this.send<T>("GET", path + queryString(query), undefined, { signal });
  }
  post<T>(path: string, body?: unknown, more: Conditions = {}): Promise<T> {
    return this.send<T>("POST", path, body, more);
  }
  put<T>(path: string, body: unknown): Promise<T> {
    return this.send<T>("PUT", path, body);
  }
  patch<T>(path: string, body: unknown, ifMatch?: string): Promise<T> {
    return this.send<T>("PATCH", path, body, { ifMatch });
  }
  delete<T>(path: string, ifMatch?: string): Promise<T> {
    return this.send<T>("DELETE", path, undefined, { ifMatch });
  }

  /** Every item of a list, at most max. */
  async all<T>(path: string, query: Query = {}, max = 1000, signal?: AbortSignal): Promise<T[]> {
    const items: T[] = [];
    for (let after: string | null = ""; after !== null && items.length < max; ) {
      const page: Page<T> = await this.get<Page<T>>(path, { limit: 100, ...query, after }, signal);
      items.push(...page.data);
      after = page.pagination.next;
    }
    return items;
  }

  private async send<T>(method: string, path: string, body?: unknown, more: Conditions & { signal?: AbortSignal } = {}): Promise<T> {
    const text = body === undefined ? undefined : encode(body);
    const start = performance.now();
    const token = this.token();
    const done = (status: number) => this.record({ at: Date.now(), method, path, body: text, status, ms: performance.now() - start });
    let reply: Response;
    try {
      reply = await fetch(this.url(path), { method, body: text, signal: more.signal, headers: headers(token, text, more) });
    } catch (e) {
      if ((e as Error).name === "AbortError") throw e;
      done(0);
      throw new Problem({
        code: "Unreachable",
        title: "No answer",
        status: 0,
        detail: "The server could not be reached.",
        retryable: true,
      });
    }
    const content = await reply.text();
    done(reply.status);
    if (reply.status < 500 && reply.status !== 401) this.accepted(token);
    if (reply.ok) {
      this.used = true;
      return decode(content) as T;
    }
    if (reply.status === 401) this.refused(this.used, token);
    throw new Problem(problemOf(reply, content));
  }

  url(path: string): string {
    return `${this.base}/api/v1${path}`;
  }

  private record(c: Call) {
    this.calls = [c, ...this.calls].slice(0, callsKept);
    for (const w of this.watchers) w();
  }
  log = (): readonly Call[] => this.calls;
  watch = (f: () => void) => {
    this.watchers.add(f);
    return () => {
      this.watchers.delete(f);
    };
  };
}

function headers(token: string, body: string | undefined, { idempotencyKey, ifMatch }: Conditions): Record<string, string> {
  const h: Record<string, string> = { Authorization: `Bearer ${token}` };
  if (body !== undefined) h["Content-Type"] = "application/json";
  if (idempotencyKey) h["Idempotency-Key"] = idempotencyKey;
  if (ifMatch) h["If-Match"] = `"${ifMatch}"`;
  return h;
}

function problemOf(reply: Response, content: string): ProblemBody {
  try {
    const p = decode(content) as ProblemBody;
    if (typeof p.code === "string") return { ...p, status: reply.status };
  } catch {
    // Something between this page and the server answered.
  }
  return {
    code: `Http${reply.status}`,
    title: `Status ${reply.status}`,
    status: reply.status,
    detail: `The server answered ${reply.status}.`,
  };
}

export function queryString(query: Query = {}): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query)) {
    if (Array.isArray(v)) for (const x of v) q.append(k, x);
    else if (v !== null && v !== undefined && v !== "") q.append(k, String(v));
  }
  const text = q.toString();
  return text && `?${text}`;
}

/** A path of literal text and percent-encoded values. */
export function path(strings: TemplateStringsArray, ...values: string[]): string {
  return strings.reduce((p, s, i) => p + encodeURIComponent(values[i - 1] ?? "") + s);
}

/** The command line that makes the same call. */
export function curl(call: Call, origin: string): string {
  const body = call.body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' -d ${quote(call.body)}`;
  const verb = call.method === "GET" ? "" : `-X ${call.method} `;
  return `curl -s ${verb}-H "Authorization: Bearer $BURSAR_ADMIN_KEY" \\\n  ${quote(`${origin}/api/v1${call.path}`)}${body}`;
}

const quote = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`;

/** A key under which a write may be sent again without happening twice. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, b => b.toString(16).padStart(2, "0")).join("");
}
