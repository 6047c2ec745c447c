import { connect, WindowMessenger } from "penpal";
import { channel, type EventName, events, type Settings } from "./protocol";

// <bursar-governance customer="…" token="…" theme="auto|light|dark"
//   view="overview|usage|tree|explain|activity" node="…" capability="…" locale="…" base-url="…">
//
// Shows the governance of one customer in a frame of the Bursar server. The token reaches
// the frame by postMessage to the server's origin alone. When it nears its end, is refused or
// is missing, the element asks for another: it calls its property refreshToken, and dispatches
// "tokenexpiring", upon which the attribute may be set instead. What happens in the frame it
// dispatches as bursar-ready, bursar-navigate, bursar-change, bursar-token-expired, bursar-error.

type Frame = { configure: (s: Settings) => void };
type Link = ReturnType<typeof connect<Frame>>;

const script = document.currentScript instanceof HTMLScriptElement ? new URL(document.currentScript.src).origin : location.origin;
const leastHeight = 420;
const mostHeight = 860;
// Before the end, so that no call is made with a dead token.
const renewAhead = 60_000;
const answerWithin = 15_000;
// A page of ours answers while it loads. One that nobody may frame never does.
const speakWithin = 5_000;
const tokenText = /^[\w.~+/=-]+$/;

class BursarGovernance extends HTMLElement {
  static observedAttributes = ["customer", "token", "expires-at", "theme", "view", "node", "capability", "locale", "base-url"];

  /** Resolves to a new token of a customer. Declared alone: what a page has set before this script came stays. */
  declare refreshToken?: ((customer: string) => Promise<string>) | null;

  private frame: HTMLIFrameElement | null = null;
  private link: Link | null = null;
  private remote: { configure: (s: Settings) => Promise<void> } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private waiting = new Set<(token: string | null) => void>();
  /** How many places of the reader the page was told of. */
  private heard = 0;
  private changing = false;
  /** The token that expires-at was said of, and when that is. */
  private dated = ["", ""];
  /** Why there was no new token. */
  private why = "";
  private themed = new MutationObserver(() => this.configure());

  connectedCallback() {
    const origin = this.origin;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const frame = document.createElement("iframe");
    frame.title = this.getAttribute("title") || "Budgets";
    frame.allow = "clipboard-write";
    frame.referrerPolicy = "origin";
    // Styled by properties: a page's policy need not allow style elements.
    this.style.display ||= "block";
    Object.assign(frame.style, { display: "block", width: "100%", height: `${leastHeight}px`, border: "0", colorScheme: "auto" });
    frame.src = `${origin}/embed#origin=${encodeURIComponent(location.origin)}`;
    frame.addEventListener("load", () => this.listen(origin));
    root.replaceChildren(frame);
    this.frame = frame;
    this.link = this.connect(frame, origin);
    this.themed.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style", "data-theme"] });
    this.schedule();
  }

  disconnectedCallback() {
    this.themed.disconnect();
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.link?.destroy();
    this.link = null;
    this.remote = null;
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null) {
    // Also the same one again: it is an answer.
    if (name === "token" && after) for (const done of this.waiting) done(after);
    if (before === after || !this.frame) return;
    if (name === "base-url") {
      this.disconnectedCallback();
      this.connectedCallback();
      return;
    }
    if (name === "token" || name === "expires-at") this.schedule();
    if (name !== "expires-at") this.change();
  }

  /** Passes on what is set together as one: a customer, and the token that is its. */
  private change() {
    if (this.changing) return;
    this.changing = true;
    queueMicrotask(() => {
      this.changing = false;
      this.configure();
    });
  }

  private get origin(): string {
    const base = this.getAttribute("base-url");
    return base ? new URL(base, location.href).origin : script;
  }

  private connect(frame: HTMLIFrameElement, origin: string): Link {
    const link = connect<Frame>({
      messenger: new WindowMessenger({ remoteWindow: frame.contentWindow as Window, allowedOrigins: [origin] }),
      channel,
      methods: {
        ready: () => this.configure(),
        refreshToken: () => this.renew(),
        tell: (event: EventName, detail: Record<string, unknown>, place?: number) => {
          if (!events.includes(event)) return;
          // The page has asked for another one since.
          if (event === "navigate" && place === undefined && detail.node !== (this.getAttribute("node") || null)) return;
          this.heard = place ?? this.heard;
          this.say(event, event === "token-expired" ? { ...detail, message: this.why || "the token that was given is refused" } : detail);
        },
        height: (px: number) => {
          const most = Number(this.getAttribute("max-height")) || mostHeight;
          if (Number.isFinite(px)) frame.style.height = `${Math.min(most, Math.max(leastHeight, px))}px`;
        },
      },
    });
    void link.promise.then(
      remote => {
        this.remote = { configure: s => remote.configure(s) };
        this.configure();
      },
      () => {},
    );
    return link;
  }

  private say(event: EventName, detail: Record<string, unknown>) {
    this.dispatchEvent(new CustomEvent(`bursar-${event}`, { bubbles: true, composed: true, detail }));
  }

  /** Says so where a page has loaded in the frame and is not ours. */
  private listen(origin: string) {
    clearTimeout(this.silence);
    if (this.remote) return;
    this.silence = setTimeout(() => {
      if (this.remote) return;
      const message = `The page of ${origin}/embed does not answer. Is base-url right, and ${location.origin} among --embed-origins?`;
      this.say("error", { customer: this.getAttribute("customer"), code: "NoAnswer", message });
    }, speakWithin);
  }

  private configure() {
    const said = (name: string) => this.getAttribute(name) ?? undefined;
    const theme = this.getAttribute("theme");
    const settings: Settings = {
      customer: this.getAttribute("customer") ?? "",
      token: said("token"),
      view: said("view"),
      node: said("node"),
      capability: said("capability"),
      locale: said("locale"),
      heard: this.heard,
      theme: theme === "light" || theme === "dark" ? theme : "auto",
      properties: this.properties(),
    };
    void this.remote?.configure(settings)?.catch(() => {});
  }

  /** The custom properties that are set for the element, in its style or by the page's rules. */
  private properties(): Record<string, string> {
    const css = getComputedStyle(this);
    const names = [
      "accent",
      "accent-soft",
      "on-accent",
      "font",
      "font-mono",
      "radius",
      "bg",
      "surface",
      "raised",
      "border",
      "border-strong",
      "text",
      "muted",
      "row-height",
    ];
    const set = names.map(n => [`--bursar-${n}`, css.getPropertyValue(`--bursar-${n}`).trim()] as const);
    return Object.fromEntries(set.filter(([, v]) => v !== ""));
  }

  /** Asks for a new token before the present one ends, where that can be read from it. */
  private schedule() {
    clearTimeout(this.timer);
    const [token, said] = [this.getAttribute("token") ?? "", this.getAttribute("expires-at") ?? ""];
    const [of, then] = this.dated;
    // What was said of the token before is nothing of this one.
    const stale = said !== "" && said === then && token !== of;
    if (!stale) this.dated = [token, said];
    const ends = endOf(token, stale ? "" : said);
    if (ends === null) return;
    this.timer = setTimeout(() => void this.renew(), Math.min(2 ** 31 - 1, Math.max(1000, ends - Date.now() - renewAhead)));
  }

  private async renew(): Promise<string | null> {
    const old = this.getAttribute("token");
    const customer = this.getAttribute("customer");
    let next: string | null = null;
    try {
      next = tokenOf(await this.ask());
      // Another customer is shown by now, for whom another one is asked for.
      if (customer !== this.getAttribute("customer")) return null;
      this.why = "";
    } catch (e) {
      this.why = e instanceof Error ? e.message : String(e);
      console.error(`<bursar-governance>: ${this.why}`);
    }
    if (next && next !== old) this.setAttribute("token", next);
    return next;
  }

  /** Asks the page: its function, or by the event, upon which it sets the attribute. */
  private ask(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asks = this.refreshToken;
      const customer = this.getAttribute("customer") ?? "";
      const what = asks ? "refreshToken gave none" : "refreshToken is not set, and neither was the attribute token";
      const late = setTimeout(() => over(() => reject(new Error(`no new token: ${what} within ${answerWithin / 1000} s`))), answerWithin);
      const over = (then: () => void) => {
        clearTimeout(late);
        this.waiting.delete(set);
        then();
      };
      const set = (token: string | null) => over(() => resolve(token));
      this.waiting.add(set);
      this.dispatchEvent(new CustomEvent("tokenexpiring", { bubbles: true, detail: { customer } }));
      // Within a promise: it may throw at once.
      if (asks)
        void Promise.resolve()
          .then(() => asks.call(this, customer))
          .then(
            token => over(() => resolve(token)),
            e => over(() => reject(e)),
          );
    });
  }
}

/** What the page gave, if it is a token: the text of an error page is not. */
function tokenOf(given: unknown): string {
  const text = typeof given === "string" ? given.trim() : "";
  // What it gave may be a secret, mistyped: it is not said.
  if (!tokenText.test(text))
    throw new Error(`no new token: refreshToken gave ${text ? "a text that is none" : typeof given}, not its text`);
  return text;
}

/** When a token ends: as said beside it, or as a JWT says itself. */
function endOf(token: string | null, attribute: string | null): number | null {
  if (attribute) return Date.parse(attribute) || null;
  try {
    const payload = JSON.parse(atob((token ?? "").split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? ""));
    return typeof payload.exp === "number" ? payload.exp * 1000 : null;
  } catch {
    return null;
  }
}

if (!customElements.get("bursar-governance")) customElements.define("bursar-governance", BursarGovernance);
