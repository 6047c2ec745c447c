import type { Hold } from "./hold.js";
import { Reading, isObject } from "./usage.js";
import { type Broken, type Leaving, endBy, watched } from "./watched.js";

const maxCharacters = 32 << 20; // of a reply that is no stream, and of an event, that are looked into

export interface Metering extends Leaving {
  hold: Hold;
  /** Takes out again what was asked for here. */
  filter: boolean;
  broken: Broken;
}

/** The reply of a provider as its caller reads it, while its usage is read beside; when it ends, so does its hold. */
export function metered(from: Response, m: Metering): Response {
  const { hold, bursar } = m;
  const type = from.headers.get("content-type") ?? "";
  const reading = new Reading();
  const look = type.includes("text/event-stream") ? new Events(reading, m.filter) : type.includes("json") ? new Whole(reading) : unseen;
  const watch = {
    piece: (value: Uint8Array) => look.piece(value),
    last: () => look.last(),
    nearlyOver: () => reading.finished && !reading.final,
    end: (whole: boolean) => endBy(reading, hold, bursar, whole, m.broken),
  };
  const reply = new Response(watched(from.body as ReadableStream<Uint8Array>, watch, m), { status: from.status, statusText: from.statusText, headers: headersOf(from, hold) });
  Object.defineProperty(reply, "url", { value: from.url });
  return reply;
}

function headersOf(from: Response, hold: Hold): Headers {
  const headers = new Headers(from.headers);
  headers.set("bursar-governed", String(hold.id !== undefined));
  if (hold.id === undefined) return headers;
  headers.set("bursar-call", hold.id);
  headers.set("bursar-advice", hold.advice);
  if (hold.remaining !== undefined) headers.set("bursar-remaining", String(hold.remaining));
  return headers;
}

interface Look {
  piece(piece: Uint8Array): Uint8Array | undefined;
  last(): Uint8Array | undefined;
}

/** A reply in which nothing is told of usage, such as sound. */
const unseen: Look = { piece: (piece) => piece, last: () => undefined };

/** A reply that comes as one. */
class Whole implements Look {
  readonly #reading: Reading;
  readonly #decoder = new TextDecoder();
  #text = "";
  #tooLarge = false;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  piece(piece: Uint8Array): Uint8Array {
    if (!this.#tooLarge) this.#text += this.#decoder.decode(piece, { stream: true });
    if (this.#text.length > maxCharacters) [this.#text, this.#tooLarge] = ["", true];
    return piece;
  }

  last(): undefined {
    this.#reading.whole(parse(this.#text + this.#decoder.decode()));
  }
}

/** A stream of events. */
class Events implements Look {
  readonly #reading: Reading;
  readonly #filter: boolean;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #encoder = new TextEncoder();
  #rest = "";
  #looked = 0; // so far there is no end of an event in the rest

  constructor(reading: Reading, filter: boolean) {
    this.#reading = reading;
    this.#filter = filter;
  }

  /** With filter the reader gets the events that are whole, else the piece as it came. */
  piece(piece: Uint8Array): Uint8Array | undefined {
    this.#rest += this.#decoder.decode(piece, { stream: true });
    let out = "";
    let start = 0;
    const ends = new RegExp(eventEnd, "g");
    ends.lastIndex = this.#looked;
    for (let end = ends.exec(this.#rest); end; end = ends.exec(this.#rest)) {
      out += this.#look(this.#rest.slice(start, ends.lastIndex));
      start = ends.lastIndex;
    }
    this.#rest = this.#rest.slice(start);
    this.#looked = Math.max(this.#rest.length - 3, 0); // an end may come in two pieces
    if (this.#rest.length > maxCharacters) {
      out += this.#rest;
      [this.#rest, this.#looked] = ["", 0];
    }
    if (!this.#filter) return piece;
    return out ? this.#encoder.encode(out) : undefined;
  }

  last(): Uint8Array | undefined {
    const rest = this.#look(this.#rest + this.#decoder.decode());
    return this.#filter && rest ? this.#encoder.encode(rest) : undefined;
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
}

const eventEnd = /\r\n\r\n|\n\n|\r\r|\n\r\n/;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
