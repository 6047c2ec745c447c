import type { Host } from "./protocol";

// The token of the page in the frame: where it is, and how another one is had. The vendor's
// page gives it; nobody asks more often than the pauses between failures allow, but a person.
// A token counts for nothing until the server has accepted it.

const shortest = 5_000;
const longest = 60_000;
// Calls that are refused together ask once.
const together = 1_000;
// What is read because of a click is refused within so long.
const byPerson = 5_000;

export class Access {
  private asking: Promise<boolean> | null = null;
  private failures = 0;
  private notBefore = 0;
  private due: ReturnType<typeof setTimeout> | undefined;
  private clicked = 0;
  /** The token that was in the settings last. */
  private offered = "";
  private watchers = new Set<() => void>();
  /** The token was refused, or there is none, and no other was accepted yet. */
  lost = false;

  /** given: there is a token that may be tried, in the place of another one. */
  constructor(
    public token: string,
    /** Whoever gives tokens, once it is there; null: nobody does. */
    readonly host: Promise<Host> | null,
    private given: (before: string) => void,
  ) {}

  /** Calls back when the token is another one, and when access is lost or back. */
  watch = (changed: () => void) => {
    this.watchers.add(changed);
    return () => {
      this.watchers.delete(changed);
    };
  };

  /** The token in the settings of the vendor's page: one that was in them before is no news. */
  offer(token: string) {
    if (token === this.offered) return;
    this.offered = token;
    if (token !== this.token) this.take(token);
  }

  /** A token of the vendor's page. */
  take(token: string) {
    const before = this.token;
    this.token = token;
    this.given(before);
    this.changed();
  }

  /** The server has answered a call with a token, and did not refuse it. */
  accepted(token: string) {
    if (token !== this.token || (!this.lost && this.failures === 0)) return;
    this.begin();
  }

  /** The token is of no use for what is shown from now on: another one is asked for. */
  drop(): Promise<boolean> {
    this.asking = null;
    this.token = "";
    this.begin();
    return this.renew();
  }

  /** A person has pressed something: if that is refused, another token is asked for without a pause. */
  click() {
    this.clicked = Date.now();
  }

  /** Asks for another token than the one that was refused. False: there is none yet. */
  renew(refused = this.token): Promise<boolean> {
    // A call of before may be answered late.
    if (refused !== this.token) return Promise.resolve(true);
    if (this.asking) return this.asking;
    const now = Date.now();
    if (now < this.notBefore && now - this.clicked >= byPerson) {
      this.wait();
      return Promise.resolve(false);
    }
    // One click asks once.
    this.clicked = 0;
    return this.ask(next => next !== this.token);
  }

  /** A person wants to go on: asks at once, and tries what is given even if it was refused before. */
  again(): Promise<boolean> {
    this.asking = null;
    return this.ask(() => true);
  }

  private ask(wanted: (token: string) => boolean): Promise<boolean> {
    if (this.asking) return this.asking;
    clearTimeout(this.due);
    const asking = this.next(wanted, () => this.asking === asking);
    this.asking = asking;
    const over = () => {
      if (this.asking === asking) this.asking = null;
    };
    // A new token may be refused at once; that there is none is so for a while.
    void asking.then(done => (done ? over() : setTimeout(over, together)));
    return asking;
  }

  /** wanted: whether a token may be tried. current: whether nobody has asked anew since. */
  private async next(wanted: (token: string) => boolean, current: () => boolean): Promise<boolean> {
    const before = this.token;
    const next = await this.host?.then(host => host.refreshToken()).catch(() => null);
    // What is asked for since is for somebody else, or sooner answered.
    if (!current()) return this.token !== before;
    // Until what came is accepted, it is as if nothing had come.
    this.notBefore = Date.now() + Math.min(longest, shortest * 2 ** this.failures++);
    // Another one has come meanwhile, or this one by the settings.
    if (this.token !== before) return true;
    if (next && wanted(next)) {
      this.take(next);
      return true;
    }
    this.wait();
    return false;
  }

  /** There is no access: asks again by itself when the pause is over. */
  private wait() {
    clearTimeout(this.due);
    if (this.host) this.due = setTimeout(() => void this.renew(), Math.max(0, this.notBefore - Date.now()));
    if (this.lost) return;
    this.lost = true;
    this.changed();
  }

  /** As if nothing had ever been refused. */
  private begin() {
    clearTimeout(this.due);
    this.failures = 0;
    this.notBefore = 0;
    this.lost = false;
    this.changed();
  }

  private changed() {
    for (const w of this.watchers) w();
  }
}
