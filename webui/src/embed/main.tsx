import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { connect, WindowMessenger } from "penpal";
import { StrictMode, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { Api, Problem } from "../api/client";
import { isLocale, setLocale } from "../api/locale";
import { claimsOf } from "../api/rights";
import { type Asked, GovernanceView, type Tell } from "../governance/GovernanceView";
import { accessBack } from "../governance/live";
import type { View } from "../governance/session";
import { applyTheme, type Theme } from "../lib/theme";
import { Button, Empty, Guard, Toasts } from "../ui";
import { leavePage, watchDrafts } from "../ui/draft";
import { Ways } from "../ui/Ways";
import "../ui/theme.css";
import "../ui/base.css";
import { Access } from "./access";
import { channel, type EventName, type Host, type Settings } from "./protocol";

// The page in the frame. Its settings come from <bursar-governance> by postMessage, whose
// origin is in the fragment; or all of them are in the fragment. Never in the query, which
// servers log.

const fragment = new URLSearchParams(location.hash.slice(1));
// Nothing of it is left for the history or a copied address.
if (location.hash) history.replaceState(null, "", location.pathname + location.search);

setLocale(navigator.language);
watchDrafts();

// The vendor's page, once it answers; nobody where this page is not in its frame.
const parent = window.parent === window ? null : fragment.get("origin");
let answers: (host: Host) => void = () => {};
const host = parent
  ? new Promise<Host>(resolve => {
      answers = resolve;
    })
  : null;

const access = new Access(fragment.get("token") ?? "", host, () => {
  const before = who;
  who = whose(access.token);
  const other = before !== "" && who !== before;
  // What is being read is read with the token of before, and what another one may see is nobody else's.
  void queries.cancelQueries().then(() => (other ? queries.resetQueries() : queries.invalidateQueries()));
  // The stream of the tree waits for no pause of its own.
  dispatchEvent(new Event(accessBack));
});

/** Whom a token is of, and what it may see; the same for another one of the same person. */
function whose(token: string): string {
  const c = claimsOf(token);
  return c ? JSON.stringify([c.customerId, c.sub, c.rootEntityId, c.permissions]) : token && "key";
}
let who = whose(access.token);
// One press asks for a lost token without a pause.
addEventListener("click", () => access.click(), true);

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      refetchOnWindowFocus: true,
      retry: (failures, e) => failures < 2 && e instanceof Problem && (e.status === 401 ? host !== null : (e.body.retryable ?? false)),
      retryDelay: n => 600 * 2 ** n,
    },
  },
});

/** Tells the vendor's page. It may have an older element, which does not listen. */
const tellHost = (event: EventName, detail: Record<string, unknown>, place?: number) =>
  void host?.then(h => h.tell(event, detail, place)).catch(() => {});

// How many places that the reader went to the vendor's page was told of.
let places = 0;

/** The settings that are shown, whether they were said before the page knew where the reader is by now. */
type Said = Settings & { late?: boolean };

function Embedded() {
  const [settings, setSettings] = useState<Said | null>(() => fromFragment());
  const lost = useSyncExternalStore(access.watch, () => access.lost);
  const token = useSyncExternalStore(access.watch, () => access.token);
  const customer = settings?.customer ?? "";
  const shownOf = useRef(customer);
  const said = useRef<Settings | null>(null);
  const asked = useAsked(settings);
  const tell = useTell(customer);
  const [api] = useState(
    () =>
      new Api(
        "",
        () => access.token,
        (_, refused) => void access.renew(refused),
        accepted => access.accepted(accepted),
      ),
  );
  // Once for each time that access is lost.
  useEffect(() => {
    if (lost) tellHost("token-expired", { customer });
  }, [lost, customer]);

  useEffect(() => {
    if (!parent) return;
    const link = connect<Host>({
      messenger: new WindowMessenger({ remoteWindow: window.parent, allowedOrigins: [parent] }),
      channel,
      methods: {
        configure: (s: Settings) => {
          const of = shownOf.current;
          shownOf.current = s.customer;
          const before = access.token;
          if (s.token) access.offer(s.token);
          // The token of another customer sees nothing of this one.
          if (of && s.customer && of !== s.customer && access.token === before && claimsOf(before)?.customerId !== s.customer)
            void access.drop();
          else if (s.customer && !access.token) void access.renew();
          applyTheme(s.theme, s.properties);
          const late = s.heard !== undefined && s.heard < places;
          const last = said.current;
          said.current = s;
          const changes = last !== null && last.locale !== s.locale;
          setSettings(was => ({ ...s, late, locale: last ? was?.locale : s.locale }));
          const write = () => setSettings(now => now && { ...now, locale: s.locale });
          // Written another way, all is shown anew: what was typed in a form would be lost.
          if (changes && isLocale(s.locale ?? "en")) leavePage(write);
          else if (changes) write();
        },
      },
    });
    void link.promise.then(async remote => {
      answers({
        ready: () => remote.ready(),
        refreshToken: () => remote.refreshToken(),
        height: px => remote.height(px),
        tell: (event, detail, place) => remote.tell(event, detail, place),
      });
      await remote.ready();
    });
    return () => link.destroy();
  }, []);

  useEffect(() => {
    if (!settings) applyTheme((fragment.get("theme") as Theme | null) ?? "auto", {});
  }, [settings]);

  const [height] = useState(() => debounced((px: number) => void host?.then(h => h.height(Math.round(px)))));
  if (!customer || (!token && !lost))
    return fragment.get("origin") ? null : (
      <Empty title="No access yet">
        <p>This page is opened by &lt;bursar-governance&gt;, or with #customer=…&amp;token=… in its address.</p>
      </Empty>
    );
  return (
    <>
      {lost && <Lost retry={() => access.again()} />}
      {token && <GovernanceView api={api} customerId={customer} asked={asked} tell={tell} onHeight={height} />}
      <Ways />
      <Toasts />
    </>
  );
}

/** What the vendor's page asks to be shown; numbers and dates are written by its locale from then on. */
function useAsked(s: Said | null): Asked {
  const { customer = "", view, node, capability, locale, late = false } = s ?? {};
  const was = useRef(customer);
  const known = useMemo(() => setLocale(locale || navigator.language), [locale]);
  useEffect(() => {
    if (!known) tellHost("error", { customer, code: "UnknownLocale", message: `“${locale}” is no locale, such as de-CH.` });
  }, [customer, known, locale]);
  useEffect(() => {
    if (view && !viewOf(view)) tellHost("error", { customer, code: "UnknownView", message: `There is no view “${view}”.` });
  }, [customer, view]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: written another way, all is rendered anew
  return useMemo(() => {
    // An entity of another customer is not to be opened here.
    if (customer !== was.current) history.replaceState(history.state, "", location.pathname);
    was.current = customer;
    return { view: viewOf(view), node: node || undefined, capability: capability || undefined, late };
  }, [customer, view, node, capability, locale, late]);
}

function useTell(customer: string): Tell {
  return useMemo(
    () => ({
      ready: at => tellHost("ready", { customer, ...at }),
      navigate: (at, asked) => tellHost("navigate", { customer, ...at }, asked ? undefined : ++places),
      change: w => tellHost("change", { customer, text: w.text, entityIds: w.entityIds }),
      error: (code, message) => tellHost("error", { customer, code, message }),
    }),
    [customer],
  );
}

/** Another token is asked for now and then; a person may ask as well. What is shown and typed stays. */
function Lost({ retry }: { retry: () => Promise<boolean> }) {
  const [asking, setAsking] = useState(false);
  const [asked, setAsked] = useState(false);
  const ask = async () => {
    setAsking(true);
    // Where it was of use, this is gone in a moment.
    setAsked(!(await retry()));
    setAsking(false);
  };
  const begun = access.token !== "";
  return (
    <div className="gov-pad">
      <div className="notice warn" role="alert">
        <span className="grow">
          {begun ? "Your access has ended, so what is shown may be old." : "There is no access to this page yet."}{" "}
          {asked && !asking ? "It could not be had again just now. Try once more in a moment." : begun && "What you have typed stays."}
        </span>
        {host && (
          <Button size="small" busy={asking} onClick={() => void ask()}>
            Try again
          </Button>
        )}
      </div>
    </div>
  );
}

function fromFragment(): Settings | null {
  const customer = fragment.get("customer");
  if (!customer) return null;
  const theme = (fragment.get("theme") as Theme | null) ?? "auto";
  applyTheme(theme, {});
  const said = (name: string) => fragment.get(name) ?? undefined;
  return {
    customer,
    theme,
    properties: {},
    view: said("view"),
    node: said("node"),
    capability: said("capability"),
    locale: said("locale"),
  };
}

const viewOf = (name = ""): View | undefined =>
  (["overview", "usage", "tree", "stopped", "requests", "notifications", "explain", "activity"] as const).find(v => v === name);

function debounced(f: (px: number) => void) {
  let due: ReturnType<typeof setTimeout> | undefined;
  return (px: number) => {
    clearTimeout(due);
    due = setTimeout(() => f(px), 120);
  };
}

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Guard>
          <Embedded />
        </Guard>
      </QueryClientProvider>
    </StrictMode>,
  );
