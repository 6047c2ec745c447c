import { BudgetDenied, BursarError, isAway, unavailable } from "./errors.js";
import { type Books, type Call, Hold, defaultEvent, defaultMaxTokens } from "./hold.js";
import { type RequestOptions, type Transport, mayHaveArrived, newKey, send } from "./http.js";
import { type End, Outbox, type Post, type Store } from "./outbox.js";
import type * as t from "./types.js";
import { characters, isObject } from "./usage.js";

export interface Options {
  /** The server, such as http://127.0.0.1:8080. */
  url: string;
  /** An API key of scope runtime, or what else may spend. */
  key: string | undefined;
  fetch?: typeof fetch | undefined;
  /** Of one attempt of a request; 5,000. */
  timeoutMs?: number | undefined;
  /** How often a request that failed for a moment is sent again; 2. */
  retries?: number | undefined;
  /** How long a call may wait for its hold, in all; 5,000. */
  holdTimeoutMs?: number | undefined;
  /** How long a call that is over waits for its end to be recorded, which goes on in the background; 1,000. */
  endWaitMs?: number | undefined;
  /** What becomes of calls while Bursar cannot be asked: deny has them fail, with a BursarError of the code Unavailable; allow lets them go on unheld, and what they used is reported afterwards, above every limit perhaps. */
  unavailable?: "deny" | "allow" | undefined;
  /** Called with each warning of a reply and of this library; without it each is printed once. */
  onWarning?: ((warning: string, customer: string) => void) | undefined;
  /** Keeps the ends of calls until Bursar has them, so that a process that is killed loses none. */
  store?: Store | undefined;
  /** How many ends may wait while Bursar is away; 10,000. */
  maxPending?: number | undefined;
  /** From which percentage of the tightest limit the advice says so, in place of the server's advice. */
  advice?: { windDown: number; stop: number } | undefined;
}

type Route = keyof t.Routes;
type Parts<R extends Route> = { path: string[]; query?: t.Routes[R]["query"]; body?: t.Routes[R]["body"] };

/** A client of a Bursar server. Its methods may be used at the same time, and are safe to send again: each that records something has an idempotency key. */
export class Bursar {
  readonly #to: Transport;
  readonly #unavailable: "deny" | "allow";
  readonly #onWarning: ((warning: string, customer: string) => void) | undefined;
  readonly #printed = new Set<string>();
  readonly #inUse = new Set<string>(); // reservations of calls that run
  readonly #holdTimeoutMs: number;
  readonly #books: Books & Post;
  readonly #outbox: Outbox;

  constructor(o: Options) {
    if (!o.key) throw new TypeError("key: give the API key of a Bursar server");
    const url = new URL(o.url);
    if (!/^https?:$/.test(url.protocol) || url.username || url.password) throw new TypeError("url: give the address of a Bursar server, as http://127.0.0.1:8080");
    this.#holdTimeoutMs = o.holdTimeoutMs ?? 5_000;
    this.#to = {
      url: o.url.replace(/\/+$/, ""),
      key: o.key,
      fetch: o.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      timeoutMs: o.timeoutMs ?? 5_000,
      retries: o.retries ?? 2,
    };
    this.#unavailable = o.unavailable ?? "deny";
    this.#onWarning = o.onWarning;
    this.#books = {
      end: (end, key, placed) => this.#outbox.end(end, key, placed),
      givePlace: () => this.#outbox.givePlace(),
      over: (id) => void this.#inUse.delete(id),
      tell: (end, key) => this.#tell(end, key),
      warn: (warning, customer) => this.warn(warning, customer),
      advice: o.advice,
      endWaitMs: o.endWaitMs ?? 1_000,
    };
    this.#outbox = new Outbox(this.#books, this.#to.url, o.store, o.maxPending ?? 10_000);
  }

  // What an application asks and records.

  /** Would this be granted? A denial is an answer, not an error. */
  check(customer: string, query: t.CheckQuery, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/entitlements/check", { path: [customer], query }, o);
  }

  /** Several questions of one moment, each as if it were alone. */
  checks(customer: string, checks: t.CheckItem[], o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/entitlements/checks", { path: [customer], body: { checks } }, o);
  }

  /** Holds an amount, or all that an event may use; or throws BudgetDenied, and holds nothing. */
  reserve(customer: string, body: t.ReserveIn, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/reservations", { path: [customer], body }, keyed(o, body.idempotencyKey));
  }

  /** Records what was used, even above the hold, and frees the rest. */
  commit(customer: string, reservation: string, body: t.CommitIn, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/reservations/{reservationId}/commit", { path: [customer, reservation], body }, o);
  }

  /** Holds for longer, or more tokens of an event. */
  extend(customer: string, reservation: string, body: t.ExtendIn, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/reservations/{reservationId}/extend", { path: [customer, reservation], body }, keyed(o));
  }

  /** Frees a hold. */
  release(customer: string, reservation: string, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/reservations/{reservationId}/release", { path: [customer, reservation] }, o);
  }

  reservation(customer: string, reservation: string, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/reservations/{reservationId}", { path: [customer, reservation] }, o);
  }

  reservations(customer: string, query: t.ReservationsQuery = {}, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/reservations", { path: [customer], query }, o);
  }

  /** Checks and records in one step; or throws BudgetDenied. */
  consume(customer: string, body: t.ConsumeIn, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/consume", { path: [customer], body }, keyed(o, body.idempotencyKey));
  }

  /** Records events; no limit refuses what has happened. */
  events(events: t.EventIn[], o?: RequestOptions) {
    return this.#ask("POST /events", { path: [], body: { events } }, keyed(o));
  }

  /** Records usage; no limit refuses what has happened. */
  usage(usages: t.UsageItem[], o?: RequestOptions) {
    return this.#ask("POST /usage", { path: [], body: { usages } }, keyed(o));
  }

  /** What an event would cost. */
  estimate(body: t.EventEstimateIn, o?: RequestOptions) {
    return this.#ask("POST /events/estimate", { path: [], body }, o);
  }

  /** What usage would cost. */
  estimateUsage(body: t.UsageEstimateIn, o?: RequestOptions) {
    return this.#ask("POST /usage/estimate", { path: [], body }, o);
  }

  /** Asks that a limit be raised for a time; somebody approves or declines that. */
  requestBoost(customer: string, body: t.BoostRequestIn, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/boost-requests", { path: [customer], body }, keyed(o));
  }

  /** What became of a request. */
  boostRequest(customer: string, request: string, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/boost-requests/{boostRequestId}", { path: [customer, request] }, o);
  }

  /** Requests, the newest first. */
  boostRequests(customer: string, query: t.BoostRequestsQuery = {}, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/boost-requests", { path: [customer], query }, o);
  }

  // What it shows to its users; the key must be one that may read.

  /** The tree of entities with their limits: what is used, held and left. */
  budgets(customer: string, query: t.BudgetsQuery = {}, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/governance", { path: [customer], query }, o);
  }

  /** A check, level by level, and when it will be granted. */
  explain(customer: string, body: t.ExplainIn, o?: RequestOptions) {
    return this.#ask("POST /customers/{customerId}/explain", { path: [customer], body }, o);
  }

  /** When limits run out. */
  forecast(customer: string, query: t.ForecastQuery, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/forecast", { path: [customer], query }, o);
  }

  /** What was denied, the newest first. */
  denials(customer: string, query: t.DenialsQuery = {}, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/denials", { path: [customer], query }, o);
  }

  /** What was used over time. */
  usageOf(customer: string, query: t.UsageQuery, o?: RequestOptions) {
    return this.#ask("GET /customers/{customerId}/usage", { path: [customer], query }, o);
  }

  // Govern a call.

  /**
   * Holds what a call may use, runs it, and records what it did use, read from what it returns. Throws BudgetDenied
   * before anything is sent where there is no room. A call that failed frees its hold, unless it may have been billed.
   */
  async govern<T>(call: Call, run: (hold: Hold) => T | PromiseLike<T>): Promise<Awaited<T>> {
    const hold = await this.hold(call);
    let result;
    try {
      result = await run(hold);
    } catch (e) {
      await hold.failed(e);
      throw e;
    }
    await hold.finish(result);
    return result;
  }

  /** Holds what a call may use. Whatever becomes of the process, it ends: by commit, release, or an estimate when its time is over. */
  async hold({ input, ...given }: Call, signal?: AbortSignal): Promise<Hold> {
    const call = { ...given, inputCharacters: given.inputCharacters ?? (input === undefined ? undefined : Math.max(characters(input), 1)), maxTokens: given.maxTokens ?? defaultMaxTokens };
    const key = newKey();
    const dimensions = { ...call.dimensions, ...(call.model ? { model: call.model } : {}) };
    const body: t.ReserveIn = {
      eventName: call.eventName ?? defaultEvent,
      idempotencyKey: key,
      dimensions,
      maxTokens: call.maxTokens,
      onExpire: "settle",
      ...(call.inputCharacters === undefined ? {} : { inputCharacters: call.inputCharacters }),
      ...(call.hold === undefined ? {} : { hold: call.hold }),
      ...(call.ttlSeconds === undefined ? {} : { ttlSeconds: call.ttlSeconds }),
      ...(call.callId === undefined ? {} : { callId: call.callId }),
      ...(call.strict === undefined ? {} : { strict: call.strict }),
    };
    let reservation: t.Reservation | undefined;
    let asked: t.ReserveIn | undefined;
    try {
      reservation = await this.#reserveInTime(call.customer, body, signal);
    } catch (e) {
      asked = mayHaveArrived(e) ? body : undefined;
      if (!isAway(e) || this.#unavailable === "deny" || !this.#outbox.keepPlace()) {
        if (asked && (isAway(e) || !(e instanceof BursarError))) void this.#outbox.end({ what: "undo", customer: call.customer, body }, key);
        throw e;
      }
      this.warn(`UNHELD: a call goes on although Bursar cannot be asked; what it uses is reported later: ${(e as Error).message}`, call.customer);
    }
    if (reservation && (reservation.status !== "OPEN" || this.#inUse.has(reservation.id))) {
      throw new BursarError(409, { code: "CallEnded", message: `the call ${call.callId} was made before: give each call an id of its own` });
    }
    if (reservation) this.#inUse.add(reservation.id);
    const hold = new Hold(this.#books, call, { key, dimensions, reservation, asked });
    try {
      call.onHold?.(hold);
    } catch (e) {
      await hold.release();
      throw e;
    }
    return hold;
  }

  /** Reserves within the time that a call may wait for it. */
  async #reserveInTime(customer: string, body: t.ReserveIn, signal: AbortSignal | undefined): Promise<t.Reservation> {
    signal?.throwIfAborted();
    const control = new AbortController();
    const late = () => control.abort(new BursarError(0, { code: unavailable, message: `Bursar at ${this.#to.url} did not answer within ${this.#holdTimeoutMs} ms`, retryable: true }));
    const timer = setTimeout(late, this.#holdTimeoutMs);
    const stop = () => control.abort(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await this.reserve(customer, body, { signal: control.signal });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }

  /** How many ends of calls wait to be recorded. */
  get pending(): number {
    return this.#outbox.pending;
  }

  /** Waits until all that calls used is recorded; tells how many ends are not. Call it before the process ends. */
  flush(timeoutMs = 10_000): Promise<number> {
    return this.#outbox.flush(timeoutMs);
  }

  /** Passes a warning on; wrappers use it, too. */
  warn(warning: string, customer = ""): void {
    try {
      if (this.#onWarning) return this.#onWarning(warning, customer);
    } catch (e) {
      console.error("bursar: onWarning failed", e);
    }
    const text = `bursar: ${warning}${customer && ` (customer ${customer})`}`;
    if (this.#printed.has(text) || this.#printed.size > maxPrinted) return;
    this.#printed.add(text);
    console.warn(this.#printed.size > maxPrinted ? "bursar: no more warnings are printed; onWarning is given all" : text);
  }

  /** Keeps what runs on after its caller has gone, for flush. */
  background(running: Promise<unknown>): void {
    void this.#outbox.track(running).catch((e) => this.warn(`FAILED: ${e instanceof Error ? e.message : String(e)}`));
  }

  async #ask<R extends Route>(route: R, m: Parts<R>, o: RequestOptions = {}): Promise<t.Routes[R]["reply"]> {
    const [method = "", pattern = ""] = route.split(" ");
    let n = 0;
    const path = pattern.replace(/\{\w+\}/g, () => encodeURIComponent(m.path[n++] ?? ""));
    const customer = pattern.includes("{customerId}") ? m.path[0] : undefined;
    const reply = await send(this.#to, { method, path, query: m.query, body: m.body }, o).catch((e) => {
      if (e instanceof BudgetDenied) for (const w of e.warnings) this.warn(w, customer);
      throw e;
    });
    const inner = isObject(reply) && Object.keys(reply).join() === "data" ? reply.data : reply;
    for (const one of Array.isArray(inner) ? inner : [inner]) {
      if (isObject(one) && Array.isArray(one.warnings)) for (const w of one.warnings) this.warn(String(w), customer);
    }
    return inner as t.Routes[R]["reply"];
  }

  /** Tells the server how a call ended; once, as the outbox comes again. key is that of its hold. */
  async #tell(end: End, key: string): Promise<unknown> {
    const { customer } = end;
    const once = { retries: 0 };
    const report = (event: t.EventIn, idempotencyKey: string) => this.events([{ ...event, idempotencyKey }], once);
    // A hold that has ended otherwise: the call was billed, too, and is an event of its own.
    const another = key + "~";
    switch (end.what) {
      case "commit":
        return this.commit(customer, end.hold, end.body, once).catch((e) => {
          const status = e instanceof BursarError ? e.status : 0;
          if (status === 409) return report(end.event, another).then(() => undefined);
          if (status !== 400) throw e;
          this.warn(`USAGE_REFUSED: ${(e as Error).message}; what was held is recorded`, customer);
          return this.#estimate(customer, end.hold);
        });
      case "estimate":
        return this.#estimate(customer, end.hold);
      case "release":
        return this.release(customer, end.hold, once);
      case "undo": {
        const made = await this.reserve(customer, end.body, once);
        return made.status === "OPEN" && !this.#inUse.has(made.id) ? this.release(customer, made.id, once) : undefined;
      }
      case "report":
        await report(end.event, key).catch((e) => (e instanceof BursarError && e.status === 409 ? report(end.event, another) : Promise.reject(e)));
    }
  }

  /** Has a hold end in a second, as one that nobody ended: what it holds is recorded as an estimate. */
  #estimate(customer: string, hold: string): Promise<unknown> {
    return this.extend(customer, hold, { ttlSeconds: 1 }, { retries: 0 }).catch((e) => (e instanceof BursarError && e.code === "ReservationClosed" ? undefined : Promise.reject(e)));
  }
}

const maxPrinted = 1_000;

const keyed = (o: RequestOptions = {}, own?: string): RequestOptions => (own || o.idempotencyKey ? o : { ...o, idempotencyKey: newKey() });
