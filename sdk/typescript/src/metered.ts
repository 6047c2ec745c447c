import type { Bursar } from "./client.js";
import type { Hold } from "./hold.js";
import { Reading, isObject } from "./usage.js";

const maxReplyCharacters = 32 << 20; // of a reply that is no stream, and of an event, that are looked into

/** A reply that is read by its caller as it came, while its usage is read beside it; when it ends, so does its hold. */
export class Metered {
  readonly #bursar: Bursar;
  readonly #hold: Hold;
  readonly #filter: boolean; // take out again what was asked for here
  readonly #broken: "received" | "held";
  readonly #reading = new Reading();
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #encoder = new TextEncoder();
  #stream = false;
  #looked = true; // whether what comes is looked into
  #rest = "";

  constructor(bursar: Bursar, hold: Hold, filter: boolean, broken: "received" | "held") {
    this.#bursar = bursar;
    this.#hold = hold;
    this.#filter = filter;
    this.#broken = broken;
  }

  reply(from: Response, signal: AbortSignal | undefined): Response {
    const type = from.headers.get("content-type") ?? "";
    this.#stream = type.includes("text/event-stream");
    this.#looked = this.#stream || type.includes("json");
    const reader = (from.body as ReadableStream<Uint8Array>).getReader();
    // A caller may leave without another word to the stream: by its signal alone.
    const left = () => this.#bursar.background(this.#end(false));
    signal?.addEventListener("abort", left, { once: true });
    const over = (whole: boolean) => {
      signal?.removeEventListener("abort", left);
      return this.#end(whole);
    };
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (to) => {
          try {
            for (;;) {
              const { done, value } = await reader.read();
              const piece = done ? this.#last() : this.#feed(value);
              if (piece && piece.length > 0) to.enqueue(piece);
              if (done) {
                await over(true);
                to.close();
              }
              if (done || (piece && piece.length > 0)) return;
            }
          } catch (e) {
            await over(false);
            throw e;
          }
        },
        cancel: async (reason) => {
          const ended = over(false);
          this.#bursar.background(ended);
          await Promise.all([reader.cancel(reason), ended]);
        },
      },
      { highWaterMark: 0 },
    );
    const reply = new Response(body, { status: from.status, statusText: from.statusText, headers: this.#headers(from.headers) });
    Object.defineProperty(reply, "url", { value: from.url });
    return reply;
  }

  #headers(from: Headers): Headers {
    const headers = new Headers(from);
    const { id, remaining, advice } = this.#hold;
    headers.set("bursar-governed", String(id !== undefined));
    if (id) headers.set("bursar-call", id);
    if (remaining !== undefined) headers.set("bursar-remaining", String(remaining));
    if (id) headers.set("bursar-advice", advice);
    return headers;
  }

  /** Takes a piece and returns what the caller gets of it: the piece, or with filter the events that are whole, without what it did not ask for. */
  #feed(piece: Uint8Array): Uint8Array | undefined {
    if (!this.#looked) return piece;
    this.#rest += this.#decoder.decode(piece, { stream: true });
    if (!this.#stream) {
      if (this.#rest.length > maxReplyCharacters) {
        this.#looked = false;
        this.#rest = "";
      }
      return piece;
    }
    let out = "";
    for (let end = eventEnd.exec(this.#rest); end; end = eventEnd.exec(this.#rest)) {
      const at = end.index + end[0].length;
      out += this.#look(this.#rest.slice(0, at));
      this.#rest = this.#rest.slice(at);
    }
    if (!this.#filter) {
      if (this.#rest.length > maxReplyCharacters) this.#rest = "";
      return piece;
    }
    return this.#encoder.encode(out);
  }

  /** What is left when the reply ends. */
  #last(): Uint8Array | undefined {
    this.#rest += this.#decoder.decode();
    if (!this.#looked || !this.#rest) return undefined;
    if (this.#stream) return this.#filter ? this.#encoder.encode(this.#look(this.#rest)) : void this.#look(this.#rest);
    this.#reading.whole(parse(this.#rest));
    return undefined;
  }

  /** Reads an event, and returns what is left of it. */
  #look(event: string): string {
    const lines = event.split(/\r\n|\r|\n/).filter((line) => line.startsWith("data:"));
    const data = lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    if (data === "[DONE]") this.#reading.ended();
    const value = parse(data);
    if (!isObject(value)) return event;
    this.#reading.event(value);
    if (!this.#filter || lines.length > 1 || !("usage" in value)) return event;
    const { usage, ...others } = value;
    if (usage !== null && Array.isArray(value.choices) && value.choices.length === 0) return "";
    return event.replace(data, () => JSON.stringify(others));
  }

  async #end(whole: boolean): Promise<void> {
    const { model, received } = this.#reading;
    if (whole) this.#reading.ended();
    const usage = this.#reading.object();
    if (usage) return this.#hold.commit(usage, { model });
    const why = whole ? "a reply has no usage" : "a reply ended before its usage came";
    if (received === 0 || this.#broken === "held") return this.#hold.estimate(why);
    if (this.#hold.ended) return;
    this.#bursar.warn(`ESTIMATED: ${why}; what came of it is recorded`, this.#hold.call.customer);
    return this.#hold.commit(this.#guess(), { model, estimated: true });
  }

  /** By what the provider said of the beginning, and what came of the reply: 3 characters are a token, as where it is held. */
  #guess(): object {
    const said = this.#reading.usage ?? {};
    const expected = this.#hold.expected();
    const most = this.#hold.call.maxTokens || Infinity;
    const before = typeof said.output_tokens === "number" ? said.output_tokens : 0;
    return { input_tokens: expected.input_tokens, ...said, output_tokens: Math.max(Math.min(Math.ceil(this.#reading.received / 3), most), before) };
  }
}

const eventEnd = /\r\n\r\n|\n\n|\r\r|\n\r\n/;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
