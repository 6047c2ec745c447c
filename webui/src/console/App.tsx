import { useQueryClient } from "@tanstack/react-query";
import { Building2, Code2, Home as HomeIcon, LogOut, Moon, Sun, Tags, Terminal } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { Api, isStatus } from "../api/client";
import type { Customer, Page } from "../api/types";
import { applyTheme } from "../lib/theme";
import { Button, Dialog, Empty, Guard, Toasts } from "../ui";
import { useCommands, useFinder } from "../ui/commands";
import { forgetAll } from "../ui/kept";
import { Ways } from "../ui/Ways";
import { ApiCalls } from "./ApiCalls";
import { Catalogue } from "./Catalogue";
import { CustomerPage } from "./Customer";
import { Customers } from "./Customers";
import { Developers } from "./Developers";
import { Home } from "./Home";
import { KeyForm, Logo, SignIn } from "./SignIn";
import { ApiContext, useApi } from "./session";

const stored = "bursar-key";
// Read at each call, so that another one may take its place while a page is open.
let key = sessionStorage.getItem(stored) ?? "";
/** The vendor's console. The key stays in this tab's session and goes nowhere but to the API. */
export function App() {
  const client = useQueryClient();
  const [signedIn, setSignedIn] = useState(key !== "");
  const [refused, setRefused] = useState(false);
  const signOut = useCallback(
    (why: boolean) => {
      sessionStorage.removeItem(stored);
      // One who was refused may sign in again and go on.
      if (!why) forgetAll();
      client.clear();
      key = "";
      setRefused(why);
      setSignedIn(false);
    },
    [client],
  );
  const [api] = useState(
    () =>
      new Api(
        "",
        () => key,
        used => {
          // Within a page that is in use, what was typed is not thrown away for it.
          if (used) void isRefused().then(setRefused);
          else signOut(true);
        },
      ),
  );
  const signIn = (k: string) => {
    sessionStorage.setItem(stored, k);
    key = k;
    setRefused(false);
    setSignedIn(true);
  };

  if (!signedIn)
    return (
      <SignIn
        refused={refused}
        onKey={k => {
          client.clear();
          signIn(k);
        }}
      />
    );
  return (
    <ApiContext value={api}>
      <Frame onSignOut={() => signOut(false)} />
      {refused && (
        <Dialog title="Sign in again" onClose={() => setRefused(false)}>
          <div className="stack">
            <p>Your key is not accepted any more: it has ended or was revoked. What you have typed on this page is still there.</p>
            <KeyForm
              onKey={k => {
                signIn(k);
                void client.invalidateQueries();
              }}
            />
            <Button look="quiet" onClick={() => signOut(true)}>
              Leave the page instead
            </Button>
          </div>
        </Dialog>
      )}
      <Toasts />
    </ApiContext>
  );
}

/** Whether the key is refused indeed: one answer that says so may be a mistake of something between. */
async function isRefused(): Promise<boolean> {
  try {
    await new Api("", () => key).get("/customers", { limit: 1 });
    return false;
  } catch (e) {
    return isStatus(e, 401);
  }
}

const places = [
  ["/console", "Home", HomeIcon],
  ["/console/customers", "Customers", Building2],
  ["/console/catalogue", "Catalogue", Tags],
  ["/console/developers", "Developers", Code2],
] as const;

const pages = [
  ...places,
  ["/console/catalogue/types", "Entity types"],
  ["/console/catalogue/features", "Features"],
  ["/console/catalogue/currencies", "Currencies"],
  ["/console/catalogue/rates", "Rate cards"],
  ["/console/developers/keys", "API keys"],
  ["/console/developers/webhooks", "Webhooks"],
  ["/console/developers/jobs", "Jobs"],
] as const;

function Frame({ onSignOut }: { onSignOut: () => void }) {
  const [at] = useLocation();
  const [calls, setCalls] = useState(false);
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  const here = places.findLast(([to]) => at === to || at.startsWith(`${to}/`));
  useEffect(() => {
    document.title = here && here[1] !== "Home" ? `${here[1]} · Bursar` : "Bursar";
  }, [here]);
  const [, go] = useLocation();
  const api = useApi();
  useFinder("customers", async (search, signal) => {
    const got = await api.get<Page<Customer>>("/customers", { search, limit: 10 }, signal);
    return got.data.map(c => ({
      group: "Customers",
      name: c.name ?? c.id,
      hint: c.id,
      run: () => go(`/console/customers/${encodeURIComponent(c.id)}`),
    }));
  });
  const turn = () => {
    const next = theme === "dark" ? "light" : "dark";
    localStorage.setItem("bursar-theme", next);
    applyTheme(next);
    setTheme(next);
  };
  useCommands([
    ...pages.map(([to, name]) => ({ group: "Go to", name, run: () => go(to) })),
    { group: "Do", name: theme === "dark" ? "Light colours" : "Dark colours", run: turn },
    { group: "Do", name: "Show the API calls of this page", run: () => setCalls(true) },
    { group: "Do", name: "Sign out", run: onSignOut },
  ]);
  return (
    <div className="frame">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="side">
        <Link href="/console" className="brand">
          <Logo />
          <span>Bursar</span>
        </Link>
        <nav aria-label="Main">
          {places.map(([to, name, Icon]) => (
            <Link key={to} href={to} className="place" aria-current={here?.[0] === to ? "page" : undefined}>
              <Icon size={16} aria-hidden />
              <span>{name}</span>
            </Link>
          ))}
        </nav>
        <div className="side-end">
          <Button look="quiet" aria-label="API calls of this page" icon={<Terminal size={16} />} onClick={() => setCalls(true)} />
          <Button
            look="quiet"
            aria-label={theme === "dark" ? "Light colours" : "Dark colours"}
            icon={theme === "dark" ? <Sun size={16} /> : <Moon size={16} />}
            onClick={turn}
          />
          <Button look="quiet" aria-label="Sign out" icon={<LogOut size={16} />} onClick={onSignOut} />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Guard key={at}>
          <Switch>
            <Route path="/console" component={Home} />
            <Route path="/console/customers" component={Customers} />
            <Route path="/console/customers/:id/:tab?">
              {p => <CustomerPage id={decodeURIComponent(p.id)} tab={p.tab ?? "overview"} />}
            </Route>
            <Route path="/console/catalogue/:part?">{p => <Catalogue part={p.part ?? "types"} />}</Route>
            <Route path="/console/developers/:part?">{p => <Developers part={p.part ?? "keys"} />}</Route>
            <Route path="/">
              <Redirect to="/console" replace />
            </Route>
            <Route path="/console.html">
              <Redirect to="/console" replace />
            </Route>
            <Route>
              <Empty title="No such page">
                <Link href="/console">To the start</Link>
              </Empty>
            </Route>
          </Switch>
        </Guard>
      </main>
      <Ways />
      {calls && <ApiCalls onClose={() => setCalls(false)} />}
    </div>
  );
}
