// What providers' replies say of usage, and what requests say of how much there may be. The
// server reads the provider's own object; here it is only found.

type Json = Record<string, unknown>;

export const isObject = (v: unknown): v is Json => typeof v === "object" && v !== null && !Array.isArray(v);

/** What is known of the usage of a reply so far. */
export class Reading {
  /** The provider's object; undefined while none came. */
  usage: Json | undefined;
  /** The model that answered. */
  model: string | undefined;
  /** Whether the usage is that of the whole call, and not of its beginning alone. */
  final = false;
  /** Whether the model has said all: only its usage may come yet. */
  finished = false;
  /** Characters of the reply that came, of texts, thoughts and arguments of tools. */
  received = 0;
  #begun = false;
  #tier: unknown;
  #searches = 0;

  /** Reads a reply that came as one. */
  whole(reply: unknown): void {
    if (!isObject(reply)) return;
    this.#take(reply);
    this.final = this.usage !== undefined;
  }

  /** Reads an event of a stream, in the shape of OpenAI or of Anthropic. */
  event(e: unknown): void {
    if (!isObject(e)) return;
    this.received += textIn(e.delta, "delta") + textIn(e.choices, "choices");
    if (Array.isArray(e.choices)) this.finished ||= e.choices.some((c) => isObject(c) && typeof c.finish_reason === "string");
    if (isObject(e.message)) {
      this.#begun = this.#take(e.message) || this.#begun; // Anthropic's message_start
    } else if (isObject(e.response)) {
      if (this.#take(e.response)) this.final = true;
    } else if (this.#take(e)) {
      this.#begun = false;
      const type = typeof e.type === "string" ? e.type : "";
      const last = type === "" && Array.isArray(e.choices) && e.choices.length === 0;
      if (type === "message_delta" || /\.(completed|done)$/.test(type) || last) this.final = true;
    }
  }

  /** Notes that the stream ended as streams should: what it told last is the whole. */
  ended(): void {
    this.final ||= this.usage !== undefined && !this.#begun;
  }

  /** What to pass on: the provider's object in what was around it. undefined is that nobody knows. */
  object(): Json | undefined {
    if (!this.usage || !this.final) return undefined;
    const output = Array.from({ length: this.#searches }, () => ({ type: "web_search_call" }));
    return { usage: this.usage, ...(this.#tier ? { service_tier: this.#tier } : {}), ...(output.length ? { output } : {}) };
  }

  #take(r: Json): boolean {
    const model = r.model ?? r.modelVersion;
    if (typeof model === "string" && model) this.model = model;
    if (typeof r.service_tier === "string") this.#tier = r.service_tier;
    if (Array.isArray(r.output)) this.#searches = Math.max(this.#searches, r.output.filter((o) => isObject(o) && o.type === "web_search_call").length);
    const given = r.usage ?? r.usageMetadata ?? r.usage_metadata;
    if (!isObject(given) || Object.keys(given).length === 0) return false;
    this.usage ??= {};
    for (const [name, v] of Object.entries(given)) {
      if (v !== null || this.usage[name] == null) this.usage[name] = v;
    }
    return true;
  }
}

const said = new Set(["delta", "content", "refusal", "reasoning", "reasoning_content", "arguments", "text", "thinking", "partial_json"]);

/** The characters of what a model said in a part of an event. */
function textIn(v: unknown, name: string): number {
  if (typeof v === "string") return said.has(name) ? v.length : 0;
  if (Array.isArray(v)) return v.reduce((n: number, one) => n + textIn(one, name), 0);
  if (!isObject(v)) return 0;
  return Object.entries(v).reduce((n, [key, one]) => n + textIn(one, key), 0);
}

/** The model to say at the end, where another one answered than was asked for. The same with a date is no other: gpt-5-2025-08-07 is gpt-5. */
export function otherModel(asked: string | undefined, answered: string | undefined): string | undefined {
  if (!answered || answered === asked || answered.length > 255) return undefined;
  const rest = asked && answered.startsWith(asked) ? answered.slice(asked.length) : "";
  return /^-(\d{4}-\d{2}-\d{2}|\d{8})$/.test(rest) ? undefined : answered;
}

const media = 4_500; // of a picture or document: 1,500 tokens
const links = new Set(["url", "image_url", "file_url", "video_url", "audio_url", "file_id"]);
const files = new Set(["data", "file_data", "b64_json", "image", "mask", "file", "audio"]);

/** The size of what is asked: the characters of all texts in it, names of members included, and what stands for pictures and files. 3 are a token. */
export function characters(v: unknown, name = ""): number {
  if (typeof v === "string") return charactersOf(name, v);
  if (typeof v === "number") return 3;
  if (v instanceof Uint8Array || v instanceof ArrayBuffer || v instanceof URL) return media;
  if (Array.isArray(v)) return v.reduce((n: number, one) => n + characters(one, name), 0);
  if (!isObject(v)) return 0;
  return Object.entries(v).reduce((n, [key, one]) => n + key.length + characters(one, key), 0);
}

function charactersOf(name: string, text: string): number {
  if (links.has(name)) return encoded(text) ? media : Math.max(text.length, media);
  if (files.has(name) && text.length > media && encoded(text)) return media;
  return text.length;
}

/** Whether a text is the bytes of a file rather than words. */
const encoded = (text: string) => /^(data:[^,]*;base64,)?[A-Za-z0-9+/=_\r\n-]*$/.test(text);
