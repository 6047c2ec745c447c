import type { Bursar } from "./client.js";
import type { Hold } from "./hold.js";
import type { Reading } from "./usage.js";

/** What is done with what passes in a stream. */
export interface Watch<T> {
  /** Takes a piece, and returns what its reader gets; undefined is nothing. */
  piece(value: T): T | undefined;
  /** What its reader gets at the end. */
  last(): T | undefined;
  /** The stream ended, whole or not. It may be told twice. */
  end(whole: boolean): Promise<void>;
}

/** A stream that is read as it came, and watched. Its end is told before its reader learns of it, or when the reader leaves: by word to the stream, or by signal alone. */
export function watched<T>(from: ReadableStream<T>, watch: Watch<T>, bursar: Bursar, signal: AbortSignal | undefined): ReadableStream<T> {
  const reader = from.getReader();
  const left = () => bursar.background(watch.end(false));
  signal?.addEventListener("abort", left, { once: true });
  const over = (whole: boolean) => {
    signal?.removeEventListener("abort", left);
    const ended = watch.end(whole);
    bursar.background(ended);
    return ended;
  };
  return new ReadableStream<T>(
    {
      async pull(to) {
        try {
          for (;;) {
            const { done, value } = await reader.read();
            const piece = done ? watch.last() : watch.piece(value);
            if (piece !== undefined) to.enqueue(piece);
            if (done) {
              await over(true);
              to.close();
            }
            if (done || piece !== undefined) return;
          }
        } catch (e) {
          await over(false);
          throw e;
        }
      },
      async cancel(reason) {
        await Promise.all([reader.cancel(reason), over(false)]);
      },
    },
    { highWaterMark: 0 },
  );
}

/** What is recorded of a stream that its reader left, or that broke off, before the provider said what it used: received, by the characters that came (what a model thought unseen is not in them); or held, all that was held. */
export type Broken = "received" | "held";

/** Ends the hold of a call by what is known of its reply. */
export async function endBy(reading: Reading, hold: Hold, bursar: Bursar, whole: boolean, broken: Broken): Promise<void> {
  if (hold.ended) return;
  if (whole) reading.ended();
  const { model, received } = reading;
  const usage = reading.object();
  if (usage) return hold.commit(usage, { model });
  const why = whole ? "a reply has no usage" : "a reply ended before its usage came";
  if (received === 0 || broken === "held") return hold.estimate(why);
  bursar.warn(`ESTIMATED: ${why}; what came of it is recorded`, hold.call.customer);
  return hold.commit(guess(reading, hold), { model, estimated: true });
}

/** By what the provider said of the beginning, and what came of the reply: 3 characters are a token, as where it is held. */
function guess(reading: Reading, hold: Hold): object {
  const said = reading.usage ?? {};
  const expected = hold.expected();
  const most = hold.call.maxTokens || Infinity;
  const before = typeof said.output_tokens === "number" ? said.output_tokens : 0;
  return { input_tokens: expected.input_tokens, ...said, output_tokens: Math.max(Math.min(Math.ceil(reading.received / 3), most), before) };
}
