import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { connect, WindowMessenger } from "penpal";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { Api, Problem } from "../api/client";
import { setLocale } from "../api/locale";
import { GovernanceView } from "../governance/GovernanceView";
import type { View } from "../governance/session";
import { applyTheme, type Theme } from "../lib/theme";
import { Button, Empty, Guard, Toasts } from "../ui";
import { watchDrafts } from "../ui/draft";
import { Ways } from "../ui/Ways";
import "../ui/theme.css";
import "../ui/base.css";
import { channel, type Host, type Settings } from "./protocol";

// The page in the frame. Its settings come from <bursar-governance> by postMessage, whose
// origin is in the fragment; or all of them are in the fragment. Never in the query, which
// servers log.

const fragment = new URLSearchParams(location.hash.slice(1));
// Nothing of it is left for the history or a copied address.
if (location.hash) history.replaceState(null, "", location.pathname + location.search);

setLocale(navigator.language);
watchDrafts();

let token = fragment.get("token") ?? "";
let host: Host | null = null;

/** One new token for all the calls that found the old one refused. */
let renewal: Promise<boolean> | null = null;
function renew(): Promise<boolean> {
  renewal ??= (async () => {
    try {
      const next = await host?.refreshToken();
      if (!next || next === token) return false;
      token = next;
      void queries.invalidateQueries();
      return true;
    } catch {
      return false;
    } finally {
      setTimeout(() => {
        renewal = null;
      }, 1000);
    }
  })();
  return renewal;
}

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

function Embedded() {
  const [settings, setSettings] = useState<Settings | null>(() => fromFragment());
  const [expired, setExpired] = useState(false);
  const [api] = useState(
    () =>
      new Api(
        "",
        () => token,
        () => {
          if (host) void renew().then(done => setExpired(!done));
          else setExpired(true);
        },
      ),
  );

  useEffect(() => {
    const parent = fragment.get("origin");
    if (!parent || window.parent === window) return;
    const link = connect<Host>({
      messenger: new WindowMessenger({ remoteWindow: window.parent, allowedOrigins: [parent] }),
      channel,
      methods: {
        configure: (s: Settings) => {
          if (s.token) {
            token = s.token;
            setExpired(false);
            void queries.invalidateQueries();
          }
          applyTheme(s.theme, s.properties);
          setSettings(s);
        },
      },
    });
    void link.promise.then(async remote => {
      host = { ready: () => remote.ready(), refreshToken: () => remote.refreshToken(), height: px => remote.height(px) };
      await host.ready();
    });
    return () => link.destroy();
  }, []);

  useEffect(() => {
    if (!settings) applyTheme((fragment.get("theme") as Theme | null) ?? "auto", {});
  }, [settings]);

  const [height] = useState(() => debounced((px: number) => void host?.height(Math.round(px))));
  if (expired && !token) return <Expired />;
  if (!settings?.customer || !token)
    return fragment.get("origin") ? null : (
      <Empty title="No access yet">
        <p>This page is opened by &lt;bursar-governance&gt;, or with #customer=…&amp;token=… in its address.</p>
      </Empty>
    );
  return (
    <>
      {expired && <Expired retry={() => void renew().then(done => setExpired(!done))} />}
      <GovernanceView api={api} customerId={settings.customer} first={viewOf(settings.view)} onHeight={height} />
      <Ways />
      <Toasts />
    </>
  );
}

/** The page is asked for another token at each call; a person may ask as well. What is shown and typed stays. */
function Expired({ retry }: { retry?: () => void }) {
  return (
    <div className="gov-pad">
      <div className="notice warn" role="alert">
        <span className="grow">This access has ended, so what is shown may be old. Try again, or reload the page to go on.</span>
        {retry && host && (
          <Button size="small" onClick={retry}>
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
  return { customer, theme, properties: {}, view: fragment.get("view") ?? undefined };
}

const viewOf = (name = ""): View | undefined => (["overview", "usage", "tree", "explain", "activity"] as const).find(v => v === name);

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
