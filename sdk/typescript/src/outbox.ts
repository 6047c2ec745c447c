import { isUnavailable, BursarError } from "./errors.js";
import type { CommitIn, EventsIn, ReserveIn } from "./types.js";

/** How a call ends in Bursar's books. It is all that has to be known to tell it, by any process. */
export type End =
  | { what: "commit"; customer: string; hold: string; body: CommitIn }
  | { what: "estimate"; customer: string; hold: string } // nobody knows what was used: what was held is booked
  | { what: "release"; customer: string; hold: string }
  | { what: "undo"; customer: string; body: ReserveIn } // of a hold whose answer did not come; the call was not sent
  | { what: "report"; customer: string; body: EventsIn }; // of a call that nothing was held for

/** Where ends are kept until Bursar has them, so that a process that dies loses none. */
export interface Store {
  /** Keeps text as id, in place of what that was. */
  put(id: string, text: string): Promise<void>;
  /** Forgets id; one that is not there is no error. */
  delete(id: string): Promise<void>;
  list(): Promise<{ id: string; text: string }[]>;
}

interface Entry {
  id: string;
  end: End;
}

/** What the outbox needs of the client. */
export interface Post {
  tell(end: End, id: string): Promise<unknown>;
  warn(warning: string, customer: string): void;
}

const maxUndos = 256; // one that is dropped does no harm: the hold settles
const firstBackoffMs = 200;
const maxBackoffMs = 30_000;

/** Sees to it that each call's end is told, also when Bursar is away for a while: what could not be sent waits here and is sent again with the same key. */
export class Outbox {
  readonly #post: Post;
  readonly #store: Store | undefined;
  readonly #most: number;
  #waiting: Entry[] = [];
  #running = new Set<Promise<unknown>>();
  #timer: unknown;
  #backoffMs = 0;
  #sending = false;

  constructor(post: Post, store: Store | undefined, most: number) {
    this.#post = post;
    this.#store = store;
    this.#most = most;
    if (store) this.track(this.#recover(store));
  }

  /** How many ends wait to be told. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Tells an end: once now; if that fails for a moment, later. What it answers is undefined if it waits or was refused. */
  async end(end: End, id: string): Promise<unknown> {
    return this.track(this.#end({ id, end }));
  }

  async #end(entry: Entry): Promise<unknown> {
    if (this.#store) {
      await this.#store.put(entry.id, JSON.stringify(entry.end)).catch((e) => this.#post.warn(`STORE_FAILED: ${message(e)}`, entry.end.customer));
    }
    const told = await this.#tell(entry);
    if (told.again) this.#keep(entry);
    return told.value;
  }

  async #tell(entry: Entry): Promise<{ value?: unknown; again?: boolean }> {
    let value: unknown;
    try {
      value = await this.#post.tell(entry.end, entry.id);
    } catch (e) {
      if (!(e instanceof BursarError) || isUnavailable(e)) return { again: true };
      if (e.status === 401) { // a key may be put right
        this.#post.warn(`NOT_RECORDED_YET: ${entry.end.what}: ${message(e)}`, entry.end.customer);
        return { again: true };
      }
      this.#post.warn(`NOT_RECORDED: ${entry.end.what}: ${message(e)}${"hold" in entry.end ? `; the hold ${entry.end.hold} is settled by time` : ""}`, entry.end.customer);
    }
    await this.#store?.delete(entry.id).catch((e) => this.#post.warn(`STORE_FAILED: ${message(e)}`, entry.end.customer));
    return { value };
  }

  #keep(entry: Entry): void {
    const undo = entry.end.what === "undo";
    const alike = undo ? this.#waiting.filter((w) => w.end.what === "undo").length : this.#waiting.length;
    if (alike >= (undo ? maxUndos : this.#most)) {
      const then = this.#store ? "the next start sends it" : entry.end.what === "report" ? "what it used is counted nowhere" : "its hold is settled as an estimate";
      if (!undo) this.#post.warn(`QUEUE_FULL: the end of a call waits no more, ${then}`, entry.end.customer);
      return;
    }
    this.#waiting.push(entry);
    this.#later();
  }

  #later(): void {
    if (this.#timer !== undefined || this.#sending || this.#waiting.length === 0) return;
    this.#backoffMs = Math.min(Math.max(this.#backoffMs * 2, firstBackoffMs), maxBackoffMs);
    const timer = setTimeout(() => {
      this.#timer = undefined;
      void this.track(this.#send());
    }, this.#backoffMs / 2 + (Math.random() * this.#backoffMs) / 2);
    (timer as { unref?: () => void }).unref?.(); // in Node: a process may end; see flush
    this.#timer = timer;
  }

  /** Tells what waits, until one cannot be told. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let entry = this.#waiting[0]; entry; entry = this.#waiting[0]) {
        const { again } = await this.#tell(entry);
        this.#waiting.shift();
        if (again) {
          this.#waiting.push(entry); // so that one which fails each time is in nobody's way
          return;
        }
        this.#backoffMs = 0;
      }
    } finally {
      this.#sending = false;
      this.#later();
    }
  }

  async #recover(store: Store): Promise<void> {
    try {
      for (const { id, text } of await store.list()) {
        if (!this.#waiting.some((w) => w.id === id)) this.#waiting.push({ id, end: JSON.parse(text) as End });
      }
    } catch (e) {
      this.#post.warn(`STORE_FAILED: what an earlier process left to be recorded cannot be read: ${message(e)}`, "");
    }
    await this.#send();
  }

  /** Keeps what runs in mind, for flush. */
  track<T>(running: Promise<T>): Promise<T> {
    const done = running.then(() => {}, () => {});
    this.#running.add(done);
    void done.then(() => this.#running.delete(done));
    return running;
  }

  /** Waits until all ends are told, or the time is over; tells how many are not. */
  async flush(timeoutMs: number): Promise<number> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const left = until - Date.now();
      if (this.#running.size === 0 && this.#waiting.length === 0) return 0;
      if (left <= 0) return this.#waiting.length + this.#running.size;
      if (this.#running.size === 0) {
        clearTimeout(this.#timer as number);
        this.#timer = undefined;
        void this.track(this.#send());
      }
      let timer: unknown;
      const pause = (ms: number) => new Promise((done) => (timer = setTimeout(done, ms)));
      await Promise.race([Promise.all(this.#running), pause(left)]);
      clearTimeout(timer as number);
      if (this.#waiting.length > 0 && this.#running.size === 0) await pause(Math.min(firstBackoffMs, Math.max(until - Date.now(), 0)));
    }
  }
}

const message = (e: unknown) => (e instanceof Error ? e.message : String(e));
