import { neverSent } from "./http.js";
import { type End, within } from "./outbox.js";
import type { Binding, Cost, Degrade, EventIn, ReserveIn, Reservation } from "./types.js";
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
  /** Your id of this one call, where other parts of your system report it too: it counts once. Wrappers leave it out, as their SDKs may send a call several times. */
  callId?: string | undefined;
  /** What names no entity is denied. */
  strict?: boolean | undefined;
  /** Of an error of govern's function: whether the provider bills nothing for the call. Errors of the SDKs of OpenAI, Anthropic and Vercel are known. */
  unbilled?: ((error: unknown) => boolean) | undefined;
  /** Called when the hold is made, before the call is sent; what it throws stops the call. */
  onHold?: ((hold: Hold) => void) | undefined;
  /** Called when it has ended: then its cost is known. */
  onEnd?: ((hold: Hold) => void) | undefined;
}

/** What an agent had better do: go on, come to an end, or stop. */
export type Advice = "ok" | "wind_down" | "stop";

/** What a hold needs of its client. */
export interface Books {
  /** Tells how a call ended. Its place is one that was kept for it. */
  end(end: End, key: string, placed: boolean): Promise<unknown>;
  warn(warning: string, customer: string): void;
  givePlace(): void;
  /** The call with this reservation has ended. */
  over(id: string): void;
  /** The caller's own percentages; undefined: the server's advice. */
  advice: { windDown: number; stop: number } | undefined;
  /** How long the caller waits for its end to be recorded. */
  endWaitMs: number;
}

/** How a hold came about. */
export interface Origin {
  key: string;
  dimensions: Dimensions;
  reservation: Reservation | undefined;
  /** What was asked for, where nobody knows whether it was made. */
  asked: ReserveIn | undefined;
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
  readonly #origin: Origin;
  #ended = false;

  constructor(books: Books, call: Call, origin: Origin) {
    this.#books = books;
    this.call = call;
    this.#origin = origin;
    this.reservation = origin.reservation;
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
    const own = this.#books.advice;
    const said = this.reservation?.advice;
    if (!own && said !== undefined) return said?.level ?? "ok";
    const { windDown, stop } = own ?? { windDown: 80, stop: 95 }; // of a server that gives no advice yet
    const t = this.tightest;
    if (!t || t.usageLimit === null) return "ok";
    const percent = t.usageLimit > 0 ? ((t.currentUsage + t.reserved) / t.usageLimit) * 100 : 100;
    return percent >= stop ? "stop" : percent >= windDown ? "wind_down" : "ok";
  }

  /** What the call is to be changed to, by the degrade policies of who makes it; undefined: nothing. */
  get degrade(): Degrade | undefined {
    return this.reservation?.advice?.degrade;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Records what the call used: the usage object of the provider's reply, or the reply around it, of which only that is taken. It ends the hold, so it is for the whole call. */
  async commit(usage: object, o: CommitOptions = {}): Promise<void> {
    const { customer } = this.call;
    if (this.#ended) return this.#books.warn("COMMIT_IGNORED: the hold of this call has ended already; hold each call by itself", customer);
    const reading = new Reading();
    if ("usage" in usage || "usageMetadata" in usage) reading.whole(usage);
    const model = otherModel(this.call.model, o.model ?? reading.model);
    const used = (reading.object() ?? usage) as Record<string, unknown>;
    try {
      JSON.stringify(used);
    } catch (e) {
      return this.estimate(`the usage of a call cannot be written: ${e instanceof Error ? e.message : String(e)}`);
    }
    const { id } = this;
    const event = this.#event(used, model, o.estimated);
    if (!id) return this.#end({ what: "report", customer, event });
    const { callId: _, ...another } = event;
    const body = { usage: used, ...(model ? { model } : {}), ...(o.estimated ? { properties: { estimated: true } } : {}) };
    return this.#end({ what: "commit", customer, hold: id, body, event: another });
  }

  /** Ends it as a call of which nobody knows what it used: what is held is booked, as an estimate that a later commit or event puts right. */
  async estimate(why: string): Promise<void> {
    if (this.#ended) return;
    const { customer } = this.call;
    this.#books.warn(`ESTIMATED: ${why}; what was held is recorded`, customer);
    await this.#end(this.id ? { what: "estimate", customer, hold: this.id } : { what: "report", customer, event: this.#event(this.expected(), undefined, true) });
  }

  /** Ends it as a call that used nothing. */
  async release(): Promise<void> {
    if (this.#ended) return;
    const { customer } = this.call;
    const { asked } = this.#origin;
    if (this.id) return this.#end({ what: "release", customer, hold: this.id });
    if (asked) return this.#end({ what: "undo", customer, body: asked });
    this.#ended = true;
    this.#books.givePlace();
    this.#tell();
  }

  /** Records what a reply says that it used; one that says nothing is an estimate. */
  async finish(reply: unknown): Promise<void> {
    if (this.#ended) return;
    const reading = new Reading();
    if (isObject(reply) && isObject(reply.totalUsage)) reading.whole({ usage: reply.totalUsage }); // of all steps
    else reading.whole(reply);
    if (isObject(reply) && isObject(reply.response)) reading.model ??= [reply.response.modelId, reply.response.model].find((m) => typeof m === "string") as string | undefined;
    const usage = reading.object();
    await (usage ? this.commit(usage, { model: reading.model }) : this.estimate("the reply has no usage"));
  }

  /** Ends the hold of a call that failed: released where it is known that it was not billed, else an estimate. */
  async failed(e: unknown): Promise<void> {
    if (this.#ended) return;
    await (this.call.unbilled?.(e) || unbilled(e) ? this.release() : this.estimate(`the call failed, and may have been billed: ${e instanceof Error ? e.message : String(e)}`));
  }

  /** What was expected of the call, as a usage object. */
  expected(): { input_tokens: number; output_tokens: number } {
    const held = this.reservation?.tokens;
    return {
      input_tokens: held?.input ?? Math.ceil((this.call.inputCharacters ?? 0) / 3),
      output_tokens: held?.output ?? this.call.maxTokens ?? defaultMaxTokens,
    };
  }

  #event(usage: object, model: string | undefined, estimated: boolean | undefined): EventIn {
    const { customer: customerId, eventName = defaultEvent, callId } = this.call;
    const dimensions = { ...this.#origin.dimensions, ...(model ? { model } : {}), ...(estimated ? { estimated: true } : {}) };
    return { customerId, eventName, dimensions, usage: usage as Record<string, unknown>, ...(callId ? { callId } : {}) };
  }

  async #end(end: End): Promise<void> {
    this.#ended = true;
    const told = this.#books.end(end, this.#origin.key, this.id === undefined).then((answer) => {
      if (isObject(answer) && typeof answer.id === "string") this.reservation = answer as unknown as Reservation;
      if (this.id) this.#books.over(this.id);
      this.#tell();
    });
    await within(told, this.#books.endWaitMs);
  }

  #tell(): void {
    try {
      this.call.onEnd?.(this);
    } catch (e) {
      this.#books.warn(`CALLBACK_FAILED: onEnd: ${e instanceof Error ? e.message : String(e)}`, this.call.customer);
    }
  }
}

/** Whether an error is one of a provider's SDK that says that the provider refused the call, or was never reached. Others, with a status of their own, may be of what came after it. */
function unbilled(e: unknown): boolean {
  if (!(e instanceof Error)) return false;
  const { status, statusCode, cause } = e as { status?: unknown; statusCode?: unknown; cause?: unknown };
  if (Symbol.for("vercel.ai.error.AI_APICallError") in e) return typeof statusCode === "number" ? statusCode >= 400 : neverSent(cause);
  if (!("requestID" in e && "headers" in e)) return false;
  return typeof status === "number" ? status >= 400 : neverSent(cause);
}

export const defaultEvent = "llm";
export const defaultMaxTokens = 4_096;
