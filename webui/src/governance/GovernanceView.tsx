import { Activity as ActivityIcon, ListTree, Scale } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { type Api, isStatus } from "../api/client";
import { Empty, Skeleton, Trouble } from "../ui";
import { lazily } from "../ui/Lazily";
import "./governance.css";
import { SessionProvider, type Start, useStart, type Written } from "./session";
import { TreeView } from "./TreeView";

const NodeDrawer = lazily(() => import("./NodeDrawer"));
const Explain = lazily(() => import("./Explain"), <Skeleton lines={6} />);
const ActivityList = lazily(() => import("./ActivityList"), <Skeleton lines={6} />);

export type View = "tree" | "explain" | "activity";

type Props = {
  api: Api;
  customerId: string;
  /** Which part is shown; without it the view has tabs of its own. */
  view?: View;
  /** How high the content would like to be. */
  onHeight?: (px: number) => void;
};

/** The governance of one customer: the same in the console and embedded in a vendor's product. */
export function GovernanceView(props: Props) {
  const begin = useStart(props.api, props.customerId);
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
  return <Loaded key={props.customerId} {...props} start={begin.data} />;
}

function Loaded({ api, customerId, start, view, onHeight }: Props & { start: Start }) {
  const [own, setOwn] = useState<View>("tree");
  const [drawer, setDrawer] = useState<string | null>(() => new URLSearchParams(location.search).get("node"));
  const [writes, setWrites] = useState<Written[]>([]);
  const wrote = useCallback((w: Written) => setWrites(all => [...all.slice(-20), w]), []);
  const shown = view ?? own;

  // The drawer can be linked to; replacing keeps Back going to the page before.
  useEffect(() => {
    const url = new URL(location.href);
    if (drawer) url.searchParams.set("node", drawer);
    else url.searchParams.delete("node");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }, [drawer]);

  return (
    <SessionProvider api={api} customerId={customerId} start={start} onOpen={setDrawer} onWrote={wrote}>
      <div className="gov">
        {view === undefined && (
          <nav className="tabs gov-tabs" aria-label="Views">
            {(
              [
                ["tree", "Budgets", ListTree],
                ["explain", "Explain", Scale],
                ["activity", "Activity", ActivityIcon],
              ] as const
            ).map(([id, label, Icon]) => (
              <button key={id} type="button" className="row" aria-current={own === id ? "page" : undefined} onClick={() => setOwn(id)}>
                <Icon size={15} aria-hidden />
                {label}
              </button>
            ))}
          </nav>
        )}
        {shown === "tree" && <TreeView writes={writes} onHeight={onHeight} />}
        {shown !== "tree" && <Scrolled onHeight={onHeight}>{shown === "explain" ? <Explain /> : <ActivityList />}</Scrolled>}
      </div>
      {drawer !== null && <NodeDrawer key={drawer} entityId={drawer} />}
    </SessionProvider>
  );
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
