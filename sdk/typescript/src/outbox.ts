import { BursarError, isFinal } from "./errors.js";
import type { CommitIn, EventIn, ReserveIn } from "./types.js";

/** How a call ends in Bursar's books. It is all that has to be known to tell it, by any process. */
export type End =
  | { what: "commit"; customer: string; hold: string; body: CommitIn; event: EventIn } // event: in its place, where the hold has ended otherwise
  | { what: "estimate"; customer: string; hold: string } // nobody knows what was used: what was held is booked
  | { what: "release"; customer: string; hold: string }
  | { what: "undo"; customer: string; body: ReserveIn } // of a hold whose answer did not come; the call was not sent
  | { what: "report"; customer: string; event: EventIn }; // of a call that nothing was held for

/** Where ends are kept until Bursar has them, so that a process that is killed loses none. */
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
  at: number;
  refused: number; // how often a key, or something between here and Bursar, refused it
  placed: boolean; // its place was kept when the call began
}

/** What the outbox needs of the client. */
export interface Post {
  tell(end: End, id: string): Promise<unknown>;
  warn(warning: string, customer: string): void;
}

const maxUndos = 256; // one that is dropped does no harm: the hold settles
const maxRefused = 10;
const maxAgeMs = 7 * 24 * 3_600_000; // so long the server takes a late commit: after that it would count beside the estimate
const firstBackoffMs = 200;
const maxBackoffMs = 30_000;

/** Sees to it that each call's end is told, also when Bursar is away for a while: what could not be sent waits here and is sent again with the same key. */
export class Outbox {
  readonly #post: Post;
  readonly #store: Store | undefined;
  readonly #most: number;
  readonly #server: string; // begins the ids of what is for this server
  #waiting: Entry[] = [];
  #running = new Set<Promise<unknown>>();
  #places = 0;
  #timer: unknown;
  #backoffMs = 0;
  #sending = false;

  constructor(post: Post, url: string, store: Store | undefined, most: number) {
    this.#post = post;
    this.#store = store;
    this.#most = most;
    this.#server = hash(url) + "-";
    if (store) void this.track(this.#recover(store));
  }

  /** How many ends wait to be told. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Keeps a place for the end of a call that nothing is held for, and tells whether there is one. */
  keepPlace(): boolean {
    if (this.#waiting.length + this.#places >= this.#most) return false;
    this.#places++;
    return true;
  }

  /** Gives a place back: the call needs none. */
  givePlace(): void {
    this.#places--;
  }

  /** Tells an end: once now; if that fails for a moment, later. What it answers is undefined if it waits or was refused. */
  end(end: End, key: string, placed = false): Promise<unknown> {
    if (placed) this.givePlace();
    return this.track(this.#end({ id: this.#server + key, end, at: Date.now(), refused: 0, placed }));
  }

  async #end(entry: Entry): Promise<unknown> {
    await this.#store?.put(entry.id, JSON.stringify({ at: entry.at, end: entry.end })).catch((e) => this.#failed(e, entry));
    const told = await this.#tell(entry);
    if (told.again) this.#keep(entry);
    return told.value;
  }

  async #tell(entry: Entry): Promise<{ value?: unknown; again?: boolean }> {
    const { end } = entry;
    let value: unknown;
    try {
      value = await this.#post.tell(end, entry.id.slice(this.#server.length));
    } catch (e) {
      if (!isFinal(e)) {
        // Whoever runs this may put a key or a proxy right; it is not tried for ever.
        if (!(e instanceof BursarError) || e.status < 400 || e.status >= 500 || e.status === 408 || e.status === 429 || ++entry.refused < maxRefused) {
          if (entry.refused === 1) this.#post.warn(`NOT_RECORDED_YET: ${end.what}: ${message(e)}`, end.customer);
          return { again: true };
        }
        this.#post.warn(`NOT_RECORDED: ${end.what}: ${message(e)}${this.#store ? "; the next start tries it again" : ""}`, end.customer);
        return {};
      }
      if (end.what !== "undo") this.#post.warn(`NOT_RECORDED: ${end.what}: ${message(e)}`, end.customer);
    }
    await this.#store?.delete(entry.id).catch((e) => this.#failed(e, entry));
    return { value };
  }

  #failed(e: unknown, entry: Entry): void {
    this.#post.warn(`STORE_FAILED: ${message(e)}`, entry.end.customer);
  }

  #keep(entry: Entry): void {
    const undo = entry.end.what === "undo" && !entry.placed;
    const full = undo ? this.#waiting.filter((w) => w.end.what === "undo").length >= maxUndos : !entry.placed && this.#waiting.length + this.#places >= this.#most;
    if (full) {
      const then = this.#store ? "the next start sends it" : "its hold is settled as an estimate";
      if (!undo) this.#post.warn(`QUEUE_FULL: the end of a call does not wait; ${then}`, entry.end.customer);
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

  /** Takes over what an earlier process left for this server. */
  async #recover(store: Store): Promise<void> {
    const kept = await store.list().catch((e) => {
      this.#post.warn(`STORE_FAILED: what an earlier process left cannot be read: ${message(e)}`, "");
      return [];
    });
    for (const { id, text } of kept) {
      if (!id.startsWith(this.#server) || this.#waiting.length >= this.#most || this.#waiting.some((w) => w.id === id)) continue;
      try {
        const { at, end } = JSON.parse(text) as { at: number; end: End };
        if (Date.now() - at < maxAgeMs) this.#waiting.push({ id, end, at, refused: 0, placed: false });
        else await store.delete(id).then(() => this.#post.warn(`NOT_RECORDED: ${end.what}: it is older than 7 days, and its estimate stays`, end.customer));
      } catch (e) {
        this.#post.warn(`STORE_FAILED: ${id}, which an earlier process left, cannot be read: ${message(e)}`, "");
      }
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
      if (left <= 0) return this.#waiting.length + (this.#sending ? 0 : this.#running.size);
      if (this.#running.size === 0) {
        clearTimeout(this.#timer as number);
        this.#timer = undefined;
        void this.track(this.#send());
      }
      await within(Promise.all(this.#running), left);
      if (this.#waiting.length > 0 && this.#running.size === 0) await within(new Promise(() => {}), Math.min(firstBackoffMs, Math.max(until - Date.now(), 0)));
    }
  }
}

/** Waits for something, but not for longer than that. */
export async function within(running: Promise<unknown>, ms: number): Promise<unknown> {
  let timer: unknown;
  try {
    return await Promise.race([running, new Promise((done) => (timer = setTimeout(done, ms)))]);
  } finally {
    clearTimeout(timer as number);
  }
}

const message = (e: unknown) => (e instanceof Error ? e.message : String(e));

/** A short name of a text (FNV-1a). */
const hash = (text: string) => Array.from(text).reduce((h, c) => Math.imul(h ^ (c.codePointAt(0) ?? 0), 0x01000193) >>> 0, 0x811c9dc5).toString(16);
