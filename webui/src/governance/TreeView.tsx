import {
  Archive,
  ArrowDownNarrowWide,
  ArrowUpNarrowWide,
  ChevronsDownUp,
  ChevronsUpDown,
  Download,
  Layers,
  LoaderCircle,
  Plus,
  RotateCw,
  Search,
  SlidersHorizontal,
  Undo2,
  Upload,
} from "lucide-react";
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { count } from "../api/locale";
import { byLength, perCadence, since } from "../lib/time";
import { Button, Empty, Trouble, toast, useNow, useSettled } from "../ui";
import { useCommands } from "../ui/commands";
import { lazily } from "../ui/Lazily";
import { CapabilityPicker } from "./CapabilityPicker";
import { type LiveState, useLive } from "./live";
import { useSession } from "./session";
import type { Written } from "./sessiontype";
import { TreeGrid } from "./TreeGrid";
import { type Filter, noFilter, rootKey, type Sort, TreeStore } from "./tree";

const BulkEdit = lazily(() => import("./BulkEdit"));
const CsvImport = lazily(() => import("./CsvImport"));
const Defaults = lazily(() => import("./DefaultList"));
const Archived = lazily(() => import("./Archived"));
const People = lazily(() => import("./People"));
const NewEntity = lazily(() => import("./NewEntity"));

type Open = "bulk" | "defaults" | "import" | "new" | "people" | "archived" | null;

const sorts: [Sort, string][] = [
  ["utilization", "Utilization"],
  ["currentUsage", "Usage"],
  ["usageLimit", "Limit"],
  ["name", "Name"],
];

export function TreeView({ writes, onHeight }: { writes: Written[]; onHeight?: (px: number) => void }) {
  const s = useSession();
  const [filter, setFilter] = useState<Filter>(noFilter);
  const [sort, setSort] = useState<Sort>("utilization");
  const [descending, setDescending] = useState(true);
  const [ranked, setRanked] = useState(false);
  const [epoch, setEpoch] = useState(0);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<Open>(null);
  const [more, setMore] = useState(false);
  const [lens, setLens] = useState("");
  const [loading, setLoading] = useState<number | null>(null);
  const settled = useSettled(filter);
  const filtered = settled.search !== "" || settled.typeId !== "" || settled.status !== "" || settled.scope !== "all";
  const flat = ranked || filtered;
  // Where there is little room, all but the search waits behind a button.
  const fold = more ? "open" : "";
  const reload = useCallback(() => setEpoch(e => e + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new epoch reads everything again
  const store = useMemo(
    () => new TreeStore(s.api, s.customerId, s.capability, sort, descending, settled, flat),
    [s.api, s.customerId, s.capability, sort, descending, settled, flat, epoch],
  );
  useSyncExternalStore(store.watch, store.snapshot);
  const live = useLive(store, reload);
  useEffect(() => {
    if (store.lens !== lens) store.look(lens);
  }, [store, lens]);

  useEffect(() => {
    setSelected(new Set());
    let left = false;
    void store.load(rootKey).then(() => {
      // A single root is opened: it alone says little.
      const only = store.branches.get(rootKey);
      const id = only?.ids[0];
      if (!left && !store.flat && id && only.ids.length < 6) for (const r of only.ids.slice(0, 1)) void store.toggle(r, true);
    });
    return () => {
      left = true;
      store.close();
    };
  }, [store]);

  const last = writes.at(-1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each write
  useEffect(() => {
    if (!last) return;
    if (last.entityIds === null || last.entityIds.length > 20) reload();
    else for (const id of last.entityIds) void store.reread(id).catch(() => {});
  }, [last]);

  const top = store.branches.get(rootKey);
  const lines = store.visible();
  const periods = byLength([...new Set([...store.periods(), ...(lens ? [lens] : [])])]);
  const unused = top?.phase === "done" && top.ids.length === 0 && !top.loading;
  useEffect(() => onHeight?.(Math.max(lines.length, 4) * 40 + 220), [lines.length, onHeight]);

  const set = (f: Partial<Filter>) => setFilter(old => ({ ...old, ...f }));
  const pick = useCallback(
    (id: string, on: boolean) =>
      setSelected(old => {
        const next = new Set(old);
        if (on) next.add(id);
        else next.delete(id);
        return next;
      }),
    [],
  );

  const sortBy = (by: Sort) => {
    // Names from A, amounts from the highest.
    setDescending(by === sort ? !descending : by !== "name");
    setSort(by);
  };
  useCommands([
    ...(s.undo ? [{ group: "Do", name: `Undo: ${s.undo.text}`, run: () => void s.undo?.undo?.() }] : []),
    { group: "Do", name: "Export limits as CSV", run: () => void save() },
    { group: "Do", name: "Default limits", run: () => setOpen("defaults") },
    { group: "Do", name: "Look through what is archived", run: () => setOpen("archived") },
    ...(s.canEdit ? [{ group: "Do", name: "Import limits from CSV", run: () => setOpen("import") }] : []),
    ...(s.canEdit && s.rights.provision
      ? [
          { group: "Do", name: "Add somebody at the top", run: () => setOpen("new") },
          { group: "Do", name: "Add people and agents from a list", run: () => setOpen("people") },
        ]
      : []),
  ]);

  const openAll = async () => {
    setLoading(0);
    try {
      await store.openAll(setLoading);
    } catch (e) {
      if ((e as Error).name !== "AbortError") toast(`Could not read everything: ${(e as Error).message}`);
    }
    setLoading(null);
  };
  const save = async () => {
    setLoading(0);
    try {
      const [{ exportColumns, exportRows }, { download, writeCsv }] = await Promise.all([import("./export"), import("../lib/csv")]);
      const rows = await exportRows(s, settled, setLoading);
      download(`${s.customerId}-${s.capability?.id ?? "limits"}.csv`, await writeCsv(exportColumns, rows));
      toast(`${count(rows.length)} limits exported`);
    } catch (e) {
      toast(`Could not export: ${(e as Error).message}`);
    }
    setLoading(null);
  };

  return (
    <section className="gov-tree" aria-label="Budgets">
      <div className="gov-bar">
        <CapabilityPicker />
        <label className="searchbox gov-search">
          <span className="hidden">Find by name or id</span>
          <Search size={15} aria-hidden />
          <input
            className="input"
            type="search"
            placeholder="Find by name or id"
            value={filter.search}
            maxLength={255}
            onChange={e => set({ search: e.target.value })}
          />
        </label>
        <fieldset className={`segmented gov-fold ${fold}`} aria-label="Arrangement">
          <button
            type="button"
            aria-pressed={!flat}
            onClick={() => {
              setRanked(false);
              setFilter(noFilter);
            }}
          >
            Tree
          </button>
          <button type="button" aria-pressed={flat} onClick={() => setRanked(true)}>
            Ranked
          </button>
        </fieldset>
        <Button
          className="gov-more"
          aria-label="Filters and tools"
          aria-expanded={more}
          icon={<SlidersHorizontal size={15} />}
          onClick={() => setMore(!more)}
        />
        <div className={`gov-filters gov-fold ${fold}`}>
          <select aria-label="Type" className="input" value={filter.typeId} onChange={e => set({ typeId: e.target.value })}>
            <option value="">All types</option>
            {[...s.types.values()].map(t => (
              <option key={t.id} value={t.id}>
                {t.displayName}
              </option>
            ))}
          </select>
          {(periods.length > 1 || lens !== "") && (
            <select aria-label="Period of the limits" className="input" value={lens} onChange={e => setLens(e.target.value)}>
              <option value="">Any period</option>
              {periods.map(p => (
                <option key={p} value={p}>
                  {perCadence(p).replace(/^./, c => c.toUpperCase())}
                </option>
              ))}
            </select>
          )}
          <select
            aria-label="Status"
            className="input"
            value={filter.status}
            onChange={e => set({ status: e.target.value as Filter["status"] })}
          >
            <option value="">Any status</option>
            <option value="near">At 80% or more</option>
            <option value="over">At 100% or more</option>
          </select>
          <select
            aria-label="Scope"
            className="input"
            value={filter.scope}
            onChange={e => set({ scope: e.target.value as Filter["scope"] })}
          >
            <option value="all">All limits</option>
            <option value="nodeWide">Unscoped only</option>
            <option value="scoped">Scoped only</option>
          </select>
        </div>
      </div>
      <div className="gov-bar second">
        <Live state={live} store={store} />
        <span className="grow" />
        {loading !== null && (
          <span className="muted small row num" role="status">
            <LoaderCircle size={14} className="spin" aria-hidden />
            {count(loading)} read
          </span>
        )}
        {s.undo && (
          <Button size="small" look="quiet" icon={<Undo2 size={15} />} title={`Undo: ${s.undo.text}`} onClick={() => void s.undo?.undo?.()}>
            Undo
          </Button>
        )}
        <div className={`gov-tools gov-fold ${fold}`}>
          <span className="row gov-sort">
            <select aria-label="Order by" className="input quiet" value={sort} onChange={e => setSort(e.target.value as Sort)}>
              {sorts.map(([v, text]) => (
                <option key={v} value={v}>
                  {text}
                </option>
              ))}
            </select>
            <Button
              size="small"
              look="quiet"
              aria-label={descending ? "Highest first" : "Lowest first"}
              icon={descending ? <ArrowDownNarrowWide size={16} /> : <ArrowUpNarrowWide size={16} />}
              onClick={() => setDescending(!descending)}
            />
          </span>
          {!flat && (
            <>
              <Button
                size="small"
                look="quiet"
                aria-label="Open all"
                icon={<ChevronsUpDown size={15} />}
                disabled={loading !== null}
                onClick={openAll}
              />
              <Button
                size="small"
                look="quiet"
                aria-label="Close all"
                icon={<ChevronsDownUp size={15} />}
                onClick={() => store.closeAll()}
              />
            </>
          )}
          <Button size="small" look="quiet" aria-label="Read again" icon={<RotateCw size={15} />} onClick={reload} />
          <Button size="small" look="quiet" icon={<Download size={15} />} disabled={loading !== null || !s.capability} onClick={save}>
            Export
          </Button>
          <Button size="small" look="quiet" icon={<Layers size={15} />} onClick={() => setOpen("defaults")}>
            Defaults
          </Button>
          <Button size="small" look="quiet" icon={<Archive size={15} />} onClick={() => setOpen("archived")}>
            Archived
          </Button>
          {s.canEdit && (
            <>
              <Button size="small" look="quiet" icon={<Upload size={15} />} onClick={() => setOpen("import")}>
                Import
              </Button>
              {s.rights.provision && (
                <Button size="small" look="quiet" icon={<Plus size={15} />} onClick={() => setOpen("new")}>
                  Add
                </Button>
              )}
            </>
          )}
        </div>
      </div>
      {selected.size > 0 && (
        <div className="gov-bar selection" role="status">
          <span className="strong num">{count(selected.size)} selected</span>
          {s.canEdit && (
            <Button size="small" look="primary" onClick={() => setOpen("bulk")}>
              Edit limits
            </Button>
          )}
          <Button size="small" look="quiet" onClick={() => setSelected(new Set())}>
            Clear
          </Button>
        </div>
      )}
      {top?.error ? (
        <div className="gov-pad">
          <Trouble error={top.error} retry={() => void store.load(rootKey)} />
        </div>
      ) : unused && filtered ? (
        <Empty title="Nothing matches">
          <p>No entity or limit passes all of these filters.</p>
          <Button onClick={() => setFilter(noFilter)}>Clear the filters</Button>
        </Empty>
      ) : unused ? (
        <NoEntities onAdd={() => setOpen("new")} />
      ) : (
        <TreeGrid store={store} lines={lines} selected={selected} onPick={pick} onPickAll={setSelected} onSort={sortBy} />
      )}
      {open === "bulk" && (
        <BulkEdit nodes={[...selected].filter(s.mayEdit).flatMap(id => store.nodes.get(id) ?? [])} onClose={() => setOpen(null)} />
      )}
      {open === "import" && <CsvImport onClose={() => setOpen(null)} />}
      {open === "new" && <NewEntity parentId={null} onMany={() => setOpen("people")} onClose={() => setOpen(null)} />}
      {open === "people" && <People parentId={null} onClose={() => setOpen(null)} />}
      {open === "defaults" && <Defaults onClose={() => setOpen(null)} />}
      {open === "archived" && <Archived onClose={() => setOpen(null)} />}
    </section>
  );
}

function NoEntities({ onAdd }: { onAdd: () => void }) {
  const s = useSession();
  return (
    <Empty title="No departments, teams, users or agents yet">
      <p>
        {s.rights.provision
          ? "Add the organisation first, then what is in it. Your product's backend usually does this as people and agents are created: PUT /customers/{id}/entities."
          : "They appear here as soon as they are set up."}
      </p>
      {s.rights.provision && (
        <Button look="primary" icon={<Plus size={15} />} onClick={onAdd}>
          Add the first one
        </Button>
      )}
    </Empty>
  );
}

function Live({ state, store }: { state: LiveState; store: TreeStore }) {
  const now = useNow();
  const words = { connecting: "Connecting", live: "Live", polling: "Updates every 10 s", offline: "Reconnecting" }[state];
  return (
    <span className="row small muted gov-live">
      <span className={`dot ${state}`} aria-hidden />
      {words}
      {store.heardAt > 0 && <span className="num">· as of {since(store.heardAt, now)}</span>}
    </span>
  );
}
