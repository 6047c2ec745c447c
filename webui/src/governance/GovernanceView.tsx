import { Activity as ActivityIcon, Bell, ChartColumn, Gauge, HandHelping, ListTree, OctagonX, Scale } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { type Api, isStatus, Problem, path } from "../api/client";
import { locale } from "../api/locale";
import type { Entity, Page } from "../api/types";
import { Empty, Skeleton, Trouble, Waiting } from "../ui";
import { useCommands, useFinder } from "../ui/commands";
import { leavePage } from "../ui/draft";
import { lazily } from "../ui/Lazily";
import "./governance.css";
import { Overview } from "./Overview";
import { openCount, useOpenRequests } from "./requests";
import { capabilityNamed, idOf, SessionProvider, type Start, useSession, useStart, type View, type Written } from "./session";
import { TreeView } from "./TreeView";

const NodeDrawer = lazily(() => import("./NodeDrawer"));
const Explain = lazily(() => import("./Explain"), <Skeleton lines={6} />);
const Stopped = lazily(() => import("./Stopped"), <Skeleton lines={6} />);
const Explorer = lazily(() => import("./Explorer"), <Skeleton lines={6} />);
const Requests = lazily(() => import("./Requests"), <Skeleton lines={6} />);
const Notifications = lazily(() => import("./Notifications"), <Skeleton lines={6} />);
const ActivityList = lazily(() => import("./ActivityList"), <Skeleton lines={6} />);

const parts = [
  ["overview", "Overview", Gauge],
  ["usage", "Usage", ChartColumn],
  ["tree", "Budgets", ListTree],
  ["stopped", "Stopped", OctagonX],
  ["requests", "Requests", HandHelping],
  ["notifications", "Notifications", Bell],
  ["explain", "Explain", Scale],
  ["activity", "Activity", ActivityIcon],
] as const satisfies [View, string, unknown][];

type Props = {
  api: Api;
  customerId: string;
  /** Which part is shown; without it the view has tabs of its own. */
  view?: View;
  /** Shows another part, where this does not do it itself. */
  onView?: (view: View, query: string) => void;
  /** What the page around it asks for; what changes of it is shown then. */
  asked?: Asked;
  /** Told of what is shown, of what was written, and of what went wrong with it as a whole. */
  tell?: Tell;
  /** How high the content would like to be. */
  onHeight?: (px: number) => void;
};

/** What a page around the view may ask for; late: it did so before it knew where the reader is by now. */
export type Asked = { view?: View; node?: string; capability?: string; late?: boolean };

/** Where the reader is. */
export type Place = { view: View; node: string | null; capability: string | null };

export type Tell = {
  ready: (at: Place) => void;
  /** asked: it was the page around that took the reader there. */
  navigate: (at: Place, asked: boolean) => void;
  change: (w: Written) => void;
  error: (code: string, message: string) => void;
};

/** The governance of one customer: the same in the console and embedded in a vendor's product. */
export const GovernanceView = (props: Props) => <Customer key={props.customerId} {...props} />;

const nothing: Asked = {};

function Customer(props: Props) {
  const { asked = nothing, tell } = props;
  const begin = useStart(props.api, props.customerId);
  const [own, setOwn] = useState<View>(asked.view ?? "overview");
  const [drawer, setDrawer] = useState<string | null>(() => new URLSearchParams(location.search).get("node") ?? asked.node ?? null);
  const seen = useRef(asked);
  const following = useRef(false);
  useEffect(() => {
    const was = seen.current;
    seen.current = asked;
    // A page that sets again what it was told must not take the reader back.
    if (asked === was || asked.late) return;
    const view = asked.view !== was.view ? asked.view : undefined;
    const node = asked.node !== was.node ? (asked.node ?? null) : drawer;
    const follow = () => {
      following.current = (view !== undefined && view !== own) || node !== drawer;
      if (view) setOwn(view);
      setDrawer(node);
    };
    if (node === drawer) follow();
    else leavePage(follow);
  }, [asked, own, drawer]);
  const failed = begin.data ? null : begin.error;
  useEffect(() => {
    if (failed) tell?.error(failed instanceof Problem ? failed.body.code : "Failed", failed.message);
  }, [failed, tell]);
  if (begin.isPending || (begin.isFetching && !begin.data)) return <LoadingTree />;
  if (!begin.data) {
    if (isStatus(begin.error, 404))
      return (
        <Empty title="Nothing here">
          <p>There is no such customer, or this access does not include it.</p>
        </Empty>
      );
    return (
      <div className="gov-pad">
        <Trouble error={begin.error} retry={() => begin.refetch()} />
      </div>
    );
  }
  return (
    <Loaded key={`${begin.data.rights.who}:${locale()}`} {...props} {...{ own, setOwn, drawer, setDrawer, following }} start={begin.data} />
  );
}

type LoadedProps = Props & {
  start: Start;
  own: View;
  setOwn: (v: View) => void;
  drawer: string | null;
  setDrawer: (id: string | null) => void;
  /** Set while the reader is taken to where the page around asked. */
  following: { current: boolean };
};

function Loaded({ api, customerId, start, view, onView, asked, tell, onHeight, own, setOwn, drawer, setDrawer, following }: LoadedProps) {
  const [writes, setWrites] = useState<Written[]>([]);
  const wrote = useCallback(
    (w: Written) => {
      setWrites(all => [...all.slice(-20), w]);
      if (!w.failed) tell?.change(w);
    },
    [tell],
  );
  const shown = view ?? own;
  const waiting = openCount(useOpenRequests(api, customerId).data);
  const first = capabilityNamed(asked?.capability ?? "", start.capabilities);
  const go = useCallback(
    (to: View, params: Record<string, string> = {}) => {
      const query = new URLSearchParams(params).toString();
      setDrawer(null);
      if (onView) {
        onView(to, query);
        return;
      }
      const url = new URL(location.href);
      url.search = query;
      history.replaceState(history.state, "", url);
      setOwn(to);
    },
    [onView, setOwn, setDrawer],
  );

  // The drawer can be linked to; replacing keeps Back going to the page before.
  useEffect(() => {
    const url = new URL(location.href);
    if (drawer) url.searchParams.set("node", drawer);
    else url.searchParams.delete("node");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }, [drawer]);

  const Whole = view === undefined ? "main" : "div";
  const pages = {
    overview: <Overview />,
    usage: <Explorer />,
    stopped: <Stopped />,
    explain: <Explain />,
    requests: <Requests />,
    notifications: <Notifications />,
    activity: <ActivityList />,
    tree: null,
  };
  return (
    <SessionProvider {...{ api, customerId, start, first }} onOpen={setDrawer} onGo={go} onWrote={wrote}>
      <Around asked={asked?.capability} late={asked?.late} following={following} tell={tell} view={shown} node={drawer} />
      <Whole className="gov">
        {view === undefined && <h1 className="hidden">Budgets and usage</h1>}
        {view === undefined && (
          <nav className="tabs gov-tabs" aria-label="Views">
            {parts.map(([id, label, Icon]) => (
              <button key={id} type="button" className="row" aria-current={own === id ? "page" : undefined} onClick={() => go(id)}>
                <Icon size={15} aria-hidden />
                {label}
                {id === "requests" && waiting && <Waiting n={waiting} />}
              </button>
            ))}
          </nav>
        )}
        <Offers views={view === undefined} />
        {shown === "tree" && <TreeView writes={writes} onHeight={onHeight} />}
        {shown !== "tree" && <Scrolled onHeight={onHeight}>{pages[shown]}</Scrolled>}
      </Whole>
      {drawer !== null && <NodeDrawer key={drawer} entityId={drawer} />}
    </SessionProvider>
  );
}

type AroundProps = { asked?: string; late?: boolean; following: { current: boolean }; tell?: Tell; view: View; node: string | null };

/** Does what the page around asks of capabilities, and tells it where the reader is. */
function Around({ asked, late, following, tell, view, node }: AroundProps) {
  const { capabilities, capability, setCapability } = useSession();
  const seen = useRef(asked);
  const told = useRef(false);
  const name = capability && idOf(capability);
  useEffect(() => {
    if (!asked) return;
    const found = capabilityNamed(asked, capabilities);
    if (!found) tell?.error("CapabilityNotFound", `There is no feature or currency “${asked}”.`);
    else if (asked !== seen.current && !late) {
      following.current ||= idOf(found) !== name;
      setCapability(found);
    }
    seen.current = asked;
  }, [asked, late, following, name, tell, capabilities, setCapability]);
  useEffect(() => {
    const at = { view, node, capability: name };
    if (told.current) tell?.navigate(at, following.current);
    else tell?.ready(at);
    told.current = true;
    following.current = false;
  }, [tell, view, node, name, following]);
  return null;
}

/** What the palette finds and does here. */
function Offers({ views }: { views: boolean }) {
  const s = useSession();
  useCommands([
    ...(views ? parts.map(([id, name]) => ({ group: "Go to", name, run: () => s.go(id) })) : []),
    ...s.capabilities.map(c => ({ group: "Show", name: c.name, hint: c.unit, run: () => s.setCapability(c) })),
  ]);
  useFinder(`entities:${s.customerId}`, async (search, signal) => {
    const got = await s.api.get<Page<Entity>>(path`/customers/${s.customerId}/entities`, { search, limit: 20 }, signal);
    return got.data.map(e => ({
      group: "Open",
      name: e.displayName ?? e.id,
      hint: `${s.types.get(e.entityTypeId)?.displayName ?? e.entityTypeId} · ${e.id}`,
      run: () => s.open(e.id),
    }));
  });
  return null;
}

function Scrolled({ children, onHeight }: { children: React.ReactNode; onHeight?: (px: number) => void }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = ref.current?.firstElementChild;
    if (!el || !onHeight) return;
    const seen = new ResizeObserver(() => onHeight(el.getBoundingClientRect().height + 96));
    seen.observe(el);
    return () => seen.disconnect();
  }, [onHeight]);
  return (
    <div ref={ref} className="gov-scroll">
      <div className="gov-pad">{children}</div>
    </div>
  );
}

function LoadingTree() {
  return (
    <div className="gov-pad stack" role="status" aria-label="Loading budgets">
      {Array.from({ length: 9 }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines without identity
        <div key={i} className="row" style={{ paddingLeft: i === 0 ? 0 : i % 3 === 1 ? 20 : 40, height: 26 }}>
          <span className="skeleton" style={{ width: `${24 - (i % 3) * 3}%` }} />
          <span className="grow" />
          <span className="skeleton" style={{ width: "22%" }} />
          <span className="skeleton" style={{ width: "8%" }} />
          <span className="skeleton" style={{ width: "8%" }} />
        </div>
      ))}
    </div>
  );
}
