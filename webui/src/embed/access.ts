import type { Host } from "./protocol";

// The token of the page in the frame: where it is, and how another one is had. The vendor's
// page gives it; nobody asks more often than the pauses between failures allow, but a person.

const shortest = 5_000;
const longest = 60_000;
// Calls that are refused together ask once.
const together = 1_000;

export class Access {
  private asking: Promise<boolean> | null = null;
  private failures = 0;
  private notBefore = 0;

  /** given: there is a token that may be tried. */
  constructor(
    public token: string,
    /** Whoever gives tokens, once it is there; null: nobody does. */
    readonly host: Promise<Host> | null,
    private given: () => void,
  ) {}

  /** A token of the vendor's page. */
  take(token: string) {
    this.failures = 0;
    this.notBefore = 0;
    this.token = token;
    this.given();
  }

  /** Asks for another token than the one that was refused. False: there is none yet. */
  renew(): Promise<boolean> {
    // What a person has just done, such as reading a part of the page again, waits for no pause.
    if (Date.now() < this.notBefore && !globalThis.navigator?.userActivation?.isActive) return this.asking ?? Promise.resolve(false);
    return this.ask(next => next !== this.token);
  }

  /** A person wants to go on: asks at once, and tries what is given even if it was refused before. */
  again(): Promise<boolean> {
    this.asking = null;
    return this.ask(() => true);
  }

  private ask(wanted: (token: string) => boolean): Promise<boolean> {
    if (this.asking) return this.asking;
    const asking = this.next(wanted).finally(() =>
      setTimeout(() => {
        if (this.asking === asking) this.asking = null;
      }, together),
    );
    this.asking = asking;
    return asking;
  }

  private async next(wanted: (token: string) => boolean): Promise<boolean> {
    const before = this.token;
    const next = await this.host?.then(host => host.refreshToken()).catch(() => null);
    if (next && wanted(next)) {
      this.take(next);
      return true;
    }
    // Another one has come meanwhile.
    if (this.token !== before) return true;
    this.notBefore = Date.now() + Math.min(longest, shortest * 2 ** this.failures++);
    return false;
  }
}
