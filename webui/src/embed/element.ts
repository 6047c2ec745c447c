import { connect, WindowMessenger } from "penpal";
import { channel, type Settings } from "./protocol";

// <bursar-governance customer="…" token="…" theme="auto|light|dark"
//   view="overview|usage|tree|explain|activity" base-url="…">
//
// Shows the governance of one customer in a frame of the Bursar server. The token reaches
// the frame by postMessage to the server's origin alone. When it nears its end the element
// asks for another: it calls its property refreshToken, and dispatches "tokenexpiring",
// upon which the attribute may be set instead.

type Frame = { configure: (s: Settings) => void };
type Link = ReturnType<typeof connect<Frame>>;

const script = document.currentScript instanceof HTMLScriptElement ? new URL(document.currentScript.src).origin : location.origin;
const leastHeight = 420;
const mostHeight = 860;
// Before the end, so that no call is made with a dead token.
const renewAhead = 60_000;
const answerWithin = 15_000;

class BursarGovernance extends HTMLElement {
  static observedAttributes = ["customer", "token", "theme", "base-url"];

  /** Resolves to a new token. */
  refreshToken: (() => Promise<string>) | null = null;

  private frame: HTMLIFrameElement | null = null;
  private link: Link | null = null;
  private remote: { configure: (s: Settings) => Promise<void> } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waiting = new Set<(token: string | null) => void>();
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
    root.replaceChildren(frame);
    this.frame = frame;
    this.link = this.connect(frame, origin);
    this.themed.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style", "data-theme"] });
    this.schedule();
  }

  disconnectedCallback() {
    this.themed.disconnect();
    clearTimeout(this.timer);
    this.link?.destroy();
    this.link = null;
    this.remote = null;
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null) {
    if (before === after || !this.frame) return;
    if (name === "base-url") {
      this.disconnectedCallback();
      this.connectedCallback();
      return;
    }
    if (name === "token" && after) for (const done of this.waiting) done(after);
    if (name === "token") this.schedule();
    this.configure();
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

  private configure() {
    const theme = this.getAttribute("theme");
    const settings: Settings = {
      customer: this.getAttribute("customer") ?? "",
      token: this.getAttribute("token") ?? undefined,
      view: this.getAttribute("view") ?? undefined,
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
    const ends = endOf(this.getAttribute("token"), this.getAttribute("expires-at"));
    if (ends === null) return;
    this.timer = setTimeout(() => void this.renew(), Math.min(2 ** 31 - 1, Math.max(1000, ends - Date.now() - renewAhead)));
  }

  private async renew(): Promise<string | null> {
    const event = new CustomEvent("tokenexpiring", { bubbles: true });
    const old = this.getAttribute("token");
    let next: string | null = null;
    if (this.refreshToken) {
      this.dispatchEvent(event);
      next = await this.refreshToken().catch(() => null);
    } else {
      const answer = new Promise<string | null>(resolve => {
        this.waiting.add(resolve);
        setTimeout(() => resolve(null), answerWithin);
      });
      this.dispatchEvent(event);
      next = await answer;
      this.waiting.clear();
    }
    if (next && next !== old) this.setAttribute("token", next);
    return next;
  }
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
