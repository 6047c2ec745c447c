import type { Bursar } from "./client.js";
import type { Hold } from "./hold.js";
import { within } from "./outbox.js";
import type { Reading } from "./usage.js";

/** What is done with what passes in a stream. */
export interface Watch<T> {
  /** Takes a piece, and returns what its reader gets; undefined is nothing. */
  piece(value: T): T | undefined;
  /** What its reader gets at the end. */
  last(): T | undefined;
  /** Whether all has come but the usage, for which it is worth to read on a moment when the reader leaves. */
  nearlyOver(): boolean;
  /** The stream ended, whole or not. It may be told twice. */
  end(whole: boolean): Promise<void>;
}

export interface Leaving {
  bursar: Bursar;
  /** By which the reader may leave without another word to the stream. */
  signal: AbortSignal | null | undefined;
  /** Hangs up on the provider when it has. */
  abort(): void;
}

const readOnMs = 1_000;

/** A stream that is read as it came, and watched. Its end is told before its reader learns of it, or when the reader leaves. */
export function watched<T>(from: ReadableStream<T>, watch: Watch<T>, { bursar, signal, abort }: Leaving): ReadableStream<T> {
  const reader = from.getReader();
  let left: Promise<void> | undefined;
  const leave = (reason?: unknown) => (left ??= leaveOnce(reason));
  const leaveOnce = async (reason: unknown) => {
    if (watch.nearlyOver()) await within(readOn().catch(() => {}), readOnMs);
    abort();
    reader.cancel(reason).catch(() => {});
    await watch.end(false);
  };
  const readOn = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) watch.piece(next.value);
    watch.last();
  };
  const onAbort = () => bursar.background(leave(signal?.reason));
  signal?.addEventListener("abort", onAbort, { once: true });
  const over = (whole: boolean) => {
    signal?.removeEventListener("abort", onAbort);
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
            if (done && left) throw signal?.reason; // the rest was not read for the reader
            const piece = done ? watch.last() : watch.piece(value);
            if (piece !== undefined) to.enqueue(piece);
            if (done) {
              await over(true);
              to.close();
            }
            if (done || piece !== undefined) return;
          }
        } catch (e) {
          await (left ?? over(false));
          throw e;
        }
      },
      async cancel(reason) {
        const leaving = leave(reason);
        bursar.background(leaving);
        await leaving;
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
  const [input, output] = "prompt_tokens" in said ? ["prompt_tokens", "completion_tokens"] : ["input_tokens", "output_tokens"]; // in the names of what was said
  const before = said[output as string];
  const received = Math.min(Math.ceil(reading.received / 3), most);
  return { [input as string]: expected.input_tokens, ...said, [output as string]: Math.max(received, typeof before === "number" ? before : 0) };
}
