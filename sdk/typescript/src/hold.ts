import { BursarError } from "./errors.js";
import { neverSent } from "./http.js";
import type { End } from "./outbox.js";
import type { Binding, Cost, Reservation } from "./types.js";
import { Reading, isObject, otherModel } from "./usage.js";

export type Dimensions = Record<string, string | number | boolean>;

/** A call of a model that is to be governed. */
export interface Call {
  /** Whose budgets. */
  customer: string;
  /** Who calls, as agentId, teamId: they name entities, and prices. */
  dimensions?: Dimensions | undefined;
  /** What a call is to your meters: llm where it is left out. */
  eventName?: string | undefined;
  /** Decides the price. Wrappers know it from the request. */
  model?: string | undefined;
  /** What is sent, such as the messages: its texts are counted, so that enough is held for them. Wrappers know it. */
  input?: unknown;
  /** The size of the input where that is not given: 3 characters are held as a token. */
  inputCharacters?: number | undefined;
  /** The most tokens of output, reasoning included: 4096 where neither this nor the request says. */
  maxTokens?: number | undefined;
  /** p50 to p99: hold as much output as so many of 100 of the last calls had, and at most maxTokens. */
  hold?: string | undefined;
  /** When a hold that nobody ended is booked as an estimate; 300. A longer call is put right when it ends. */
  ttlSeconds?: number | undefined;
  /** Your id of this one call, where other parts of your system report it too: it counts once. */
  callId?: string | undefined;
  /** What names no entity is denied. */
  strict?: boolean | undefined;
  /** Called when the hold is made, before the call is sent. */
  onHold?: ((hold: Hold) => void) | undefined;
  /** Called when it has ended: then its cost is known. */
  onEnd?: ((hold: Hold) => void) | undefined;
}

/** What an agent had better do: go on, come to an end, or stop. */
export type Advice = "ok" | "wind_down" | "stop";

/** What a hold needs of its client. */
export interface Books {
  end(end: End, id: string): Promise<unknown>;
  warn(warning: string, customer: string): void;
  advice: { windDown: number; stop: number };
}

export interface CommitOptions {
  /** That answered, where it is another one than was asked for. */
  model?: string | undefined;
  /** The usage is a guess: the event says so with estimated. */
  estimated?: boolean | undefined;
}

/** What is held for a call, until it ends: by what it used, by an estimate or by nothing. */
export class Hold {
  readonly call: Call;
  /** The reservation as it was made, and after the end as that left it; undefined where the call goes on unheld. */
  reservation: Reservation | undefined;
  readonly #books: Books;
  readonly #key: string;
  readonly #dimensions: Dimensions;
  #ended = false;

  constructor(books: Books, call: Call, key: string, dimensions: Dimensions, reservation: Reservation | undefined) {
    this.#books = books;
    this.call = call;
    this.#key = key;
    this.#dimensions = dimensions;
    this.reservation = reservation;
  }

  /** Of the reservation; undefined where the call goes on unheld. */
  get id(): string | undefined {
    return this.reservation?.id;
  }

  /** The hard limit that has room for the fewest more of such calls; undefined where none is. */
  get tightest(): Binding | undefined {
    return this.reservation?.tightest;
  }

  /** What is left of it, with this call held; undefined where nothing limits. */
  get remaining(): number | undefined {
    return this.tightest?.remaining ?? undefined;
  }

  /** What the call may cost, and after its end what it did. */
  get cost(): Cost[] {
    return this.reservation?.cost ?? [];
  }

  get advice(): Advice {
    const t = this.tightest;
    if (!t || t.usageLimit === null) return "ok";
    const percent = t.usageLimit > 0 ? ((t.currentUsage + t.reserved) / t.usageLimit) * 100 : 100;
    return percent >= this.#books.advice.stop ? "stop" : percent >= this.#books.advice.windDown ? "wind_down" : "ok";
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Records what the call used: the usage object of the provider's reply or the reply around it, as it came. */
  async commit(usage: object, o: CommitOptions = {}): Promise<void> {
    const model = otherModel(this.call.model, o.model);
    const { id } = this;
    await this.#end(
      id
        ? { what: "commit", customer: this.call.customer, hold: id, body: { usage: usage as Record<string, unknown>, ...(model ? { model } : {}), ...(o.estimated ? { properties: { estimated: true } } : {}) } }
        : this.#report(usage, model, o.estimated),
    );
  }

  /** Ends it as a call of which nobody knows what it used: what is held is booked, as an estimate that a later commit or event puts right. */
  async estimate(why: string): Promise<void> {
    this.#books.warn(`ESTIMATED: ${why}; what was held is recorded`, this.call.customer);
    const { id } = this;
    await this.#end(id ? { what: "estimate", customer: this.call.customer, hold: id } : this.#report(this.expected(), undefined, true));
  }

  /** Ends it as a call that used nothing. */
  async release(): Promise<void> {
    const { id } = this;
    if (id) await this.#end({ what: "release", customer: this.call.customer, hold: id });
    else this.#ended = true;
  }

  /** Records what a reply says that it used; one that says nothing is an estimate. */
  async finish(reply: unknown): Promise<void> {
    if (this.#ended) return;
    const reading = new Reading();
    reading.whole(reply);
    if (isObject(reply) && isObject(reply.response)) reading.model ??= [reply.response.modelId, reply.response.model].find((m) => typeof m === "string") as string | undefined;
    const usage = reading.object();
    await (usage ? this.commit(usage, { model: reading.model }) : this.estimate("the reply has no usage"));
  }

  /** Ends the hold of a call that failed: released if the provider answered with an error or was never reached; else it may have been billed. */
  async failed(e: unknown): Promise<void> {
    if (this.#ended) return;
    const status = (e as { status?: unknown; statusCode?: unknown } | undefined)?.status ?? (e as { statusCode?: unknown } | undefined)?.statusCode;
    const refused = typeof status === "number" && status >= 400;
    await (refused || e instanceof BursarError || neverSent(e) ? this.release() : this.estimate(`the call failed, and may have been billed: ${e instanceof Error ? e.message : String(e)}`));
  }

  /** What was expected of the call, as a usage object. */
  expected(): { input_tokens: number; output_tokens: number } {
    const held = this.reservation?.tokens;
    return {
      input_tokens: held?.input ?? Math.ceil((this.call.inputCharacters ?? 0) / 3),
      output_tokens: held?.output ?? this.call.maxTokens ?? defaultMaxTokens,
    };
  }

  #report(usage: object, model: string | undefined, estimated: boolean | undefined): End {
    const dimensions = { ...this.#dimensions, ...(model ? { model } : {}), ...(estimated ? { estimated: true } : {}) };
    return {
      what: "report",
      customer: this.call.customer,
      body: { events: [{ customerId: this.call.customer, eventName: this.call.eventName ?? defaultEvent, idempotencyKey: this.#key, dimensions, usage: usage as Record<string, unknown>, ...(this.call.callId ? { callId: this.call.callId } : {}) }] },
    };
  }

  async #end(end: End): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const answer = await this.#books.end(end, this.#key);
    if (isObject(answer) && typeof answer.id === "string") this.reservation = answer as unknown as Reservation;
    this.call.onEnd?.(this);
  }
}

export const defaultEvent = "llm";
export const defaultMaxTokens = 4_096;
