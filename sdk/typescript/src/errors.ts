import type { Binding, Frozen, LimitNode, Problem } from "./types.js";

/** A place in a request that is wrong. */
export interface Place {
  /** A JSON pointer into the body, or ?name for a query parameter. */
  pointer: string;
  code: string;
  detail: string;
}

const kind = Symbol.for("bursar.error");

/** The parts of a failure, as replies and those who make one have them. */
export type Failure = Partial<Problem> & { traceId?: string | undefined; cause?: unknown };

/** What Bursar answered in place of a success. */
export class BursarError extends Error {
  /** The HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Stable; branch on this. */
  readonly code: string;
  /** The first place that is wrong, where the request is; errors has all. */
  readonly pointer: string | undefined;
  readonly errors: Place[];
  /** Names the request in the server's log, as its header X-Request-Id does. */
  readonly traceId: string | undefined;
  /** Whether the same request may succeed later. Agent loops: do not send again what has false. */
  readonly retryable: boolean;

  constructor(status: number, problem: Failure) {
    super(problem.message ?? `Bursar answered with status ${status}`, problem.cause === undefined ? undefined : { cause: problem.cause });
    this.name = "BursarError";
    this.status = status;
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? [];
    this.pointer = this.errors[0]?.pointer;
    this.traceId = problem.traceId;
    this.retryable = problem.retryable ?? false;
    Object.defineProperty(this, kind, { value: status === 402 ? "denied" : "error" });
  }

  // By a mark and not by the class, so that the ES module and the CommonJS one know each other's.
  static [Symbol.hasInstance](e: unknown): boolean {
    return e instanceof Error && kind in e;
  }
}

/** A limit, a pool or a freeze says no. It is final for now: retryable is false, and what wraps providers' SDKs tells them not to send again. */
export class BudgetDenied extends BursarError {
  /** The limit that denied, with its figures; null where a freeze or something else did. */
  readonly binding: Binding | null;
  /** What is left of it; null where that has no figure. */
  readonly remaining: number | null;
  /** When its window ends and usage starts at 0 again; null is never. */
  readonly resetsAt: Date | null;
  /** The freeze that denied. */
  readonly frozen: Frozen | null;
  /** The limits that apply, from each entity that the dimensions name up to its root. */
  readonly chains: LimitNode[][];
  readonly warnings: string[];

  constructor(status: number, problem: Failure) {
    super(status, problem);
    this.name = "BudgetDenied";
    this.binding = problem.binding ?? null;
    this.remaining = this.binding?.remaining ?? null;
    this.resetsAt = problem.resetsAt ? new Date(problem.resetsAt) : null;
    this.frozen = problem.frozen ?? null;
    this.chains = problem.chains ?? [];
    this.warnings = problem.warnings ?? [];
  }

  static override [Symbol.hasInstance](e: unknown): boolean {
    return e instanceof Error && (e as { [kind]?: string })[kind] === "denied";
  }
}

/** The code of an error that says that Bursar could not be asked. */
export const unavailable = "Unavailable";

/** The error of a reply. */
export function failure(status: number, text: string, traceId: string | undefined): BursarError {
  let problem: Failure;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = {}; // of a proxy, perhaps
  }
  if (typeof problem !== "object" || problem === null || typeof problem.code !== "string") problem = { code: status >= 500 ? unavailable : "" };
  const all = { ...problem, traceId };
  return status === 402 ? new BudgetDenied(status, all) : new BursarError(status, all);
}

/** Whether Bursar could not be asked: it is away, or does not come to it. */
export function isAway(e: unknown): boolean {
  return e instanceof BursarError && (e.code === unavailable || e.status === 408 || e.status >= 500);
}

/** Whether Bursar itself refused for good. Others may be put right: a key, what stands between, a server that is away. */
export function isFinal(e: unknown): boolean {
  return e instanceof BursarError && e.code !== "" && [400, 402, 404, 409, 413, 422].includes(e.status);
}
