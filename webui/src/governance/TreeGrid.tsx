import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, LoaderCircle } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useId, useState } from "react";
import { Trouble, useNow } from "../ui";
import { useNames } from "./names";
import { useSession } from "./session";
import { standingOf } from "./standing";
import { type Act, indent, TreeLine } from "./TreeLine";
import type { Line, Sort, TreeStore } from "./tree";

type Props = {
  store: TreeStore;
  lines: Line[];
  selected: ReadonlySet<string>;
  onPick: (id: string, on: boolean) => void;
  onPickAll: (ids: ReadonlySet<string>) => void;
  onSort: (by: Sort) => void;
};

/** Below this width there is no room for columns beside a name that can be read: a row has two lines. */
const columnsFrom = 900;

function useNarrow(el: HTMLElement | null): boolean {
  const [narrow, setNarrow] = useState(false);
  useEffect(() => {
    if (!el) return;
    const seen = new ResizeObserver(([e]) => setNarrow((e?.contentRect.width ?? 1000) < columnsFrom));
    seen.observe(el);
    return () => seen.disconnect();
  }, [el]);
  return narrow;
}

/**
 * The tree as a table of rows, of which only those in view exist. The focus stays on the
 * table and moves among rows as the ARIA treegrid pattern says, by aria-activedescendant,
 * so that a row may leave the page while it is the active one.
 */
export function TreeGrid({ store, lines, selected, onPick, onPickAll, onSort }: Props) {
  const s = useSession();
  const base = useId();
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null);
  const [active, setActive] = useState(0);
  const narrow = useNarrow(scroller);
  const height = narrow ? 64 : 40;
  const now = useNow(10_000) + store.skew;
  const at = Math.min(active, Math.max(0, lines.length - 1));

  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller,
    estimateSize: () => height,
    overscan: 6,
    rangeExtractor: range => {
      const shown = defaultRangeExtractor(range);
      if (at < lines.length && !shown.includes(at)) shown.push(at);
      return shown.sort((x, y) => x - y);
    },
    getItemKey: i => {
      const l = lines[i];
      return l?.kind === "node" ? `${l.node.id}` : `more:${l?.kind === "more" ? l.parentId : i}`;
    },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows have another height now
  useEffect(() => virtual.measure(), [height]);

  const items = virtual.getVirtualItems();
  const named = useNames(items.flatMap(i => unnamed(lines[i.index], store)));
  const nameOf = (id: string) => store.nodes.get(id)?.name ?? named(id);
  useEffect(() => {
    for (const item of items) {
      const l = lines[item.index];
      if (l?.kind === "more" && !l.branch.loading && !l.branch.error) void store.load(l.parentId);
    }
  }, [items, lines, store]);

  const go = (i: number) => {
    const to = Math.max(0, Math.min(lines.length - 1, i));
    setActive(to);
    virtual.scrollToIndex(to, { align: "auto" });
  };
  const page = Math.max(1, Math.floor((scroller?.clientHeight ?? 400) / height) - 2);

  const onKeyDown = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget || e.altKey) return;
    const l = lines[at];
    const node = l?.kind === "node" ? l : null;
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      PageDown: () => go(at + page),
      PageUp: () => go(at - page),
      Home: () => go(0),
      End: () => go(lines.length - 1),
      ArrowRight: () => {
        if (!node || store.flat || node.node.childCount === 0) return;
        if (node.open) go(at + 1);
        else void store.toggle(node.node.id, true);
      },
      ArrowLeft: () => {
        if (!node || store.flat) return;
        if (node.open) void store.toggle(node.node.id, false);
        else for (let i = at - 1; i >= 0; i--) if ((lines[i]?.level ?? 0) < node.level) return go(i);
      },
      Enter: () => node && s.open(node.node.id),
      " ": () => node && onPick(node.node.id, !selected.has(node.node.id)),
      "*": () => {
        for (const x of lines)
          if (x.kind === "node" && x.level === node?.level && x.node.childCount > 0) void store.toggle(x.node.id, true);
      },
    };
    if (e.ctrlKey || e.metaKey) {
      if (e.key !== "a") return;
      e.preventDefault();
      onPickAll(new Set(lines.flatMap(x => (x.kind === "node" ? x.node.id : []))));
      return;
    }
    const move = moves[e.key];
    if (!move) return;
    e.preventDefault();
    move();
  };

  const { open } = s;
  // The same function as long as the table is, so that rows in view are not drawn again for each that comes.
  const act = useCallback<Act>(
    (what, index, id, on = false) => {
      setActive(index);
      scroller?.focus({ preventScroll: true });
      if (what === "toggle") void store.toggle(id);
      else if (what === "pick") onPick(id, on);
      else open(id);
    },
    [scroller, store, onPick, open],
  );

  const activeLine = lines[at];
  return (
    <div
      ref={setScroller}
      role="treegrid"
      className={`grid ${narrow ? "narrow" : ""} ${store.flat ? "flat" : ""}`}
      aria-label={`Budgets: ${s.capability?.name ?? "entities"}`}
      aria-rowcount={lines.length + 1}
      aria-multiselectable={s.canEdit || undefined}
      aria-activedescendant={activeLine ? `${base}-${at}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div role="rowgroup" className="grid-head">
        <div role="row" aria-rowindex={1} className="grid-row">
          {s.canEdit && (
            <span role="columnheader" className="c-pick">
              <span className="hidden">Selection</span>
            </span>
          )}
          <SortColumn store={store} sort="name" look="c-name" onSort={onSort}>
            Name
          </SortColumn>
          <SortColumn store={store} sort="utilization" look="c-used" onSort={onSort}>
            Used
          </SortColumn>
          <SortColumn store={store} sort="usageLimit" look="c-limit right" onSort={onSort}>
            Limit
          </SortColumn>
          <span role="columnheader" className="c-left right">
            Remaining
          </span>
          <span role="columnheader" className="c-reset">
            Resets
          </span>
          <span role="columnheader" className="c-status">
            Status
          </span>
        </div>
      </div>
      <div role="rowgroup" className="grid-body" style={{ height: virtual.getTotalSize() }}>
        {items.map(item => {
          const l = lines[item.index];
          if (!l) return null;
          const place = { transform: `translateY(${item.start}px)`, height };
          if (l.kind === "more")
            return (
              <div
                key={item.key}
                id={`${base}-${item.index}`}
                role="row"
                aria-rowindex={item.index + 2}
                aria-level={l.level}
                className="grid-row placed"
                style={place}
              >
                <span role="gridcell" className="c-more small muted row" style={{ paddingLeft: indent(l.level) }}>
                  {l.branch.error ? (
                    <Trouble error={l.branch.error} retry={() => void store.load(l.parentId)} />
                  ) : (
                    <>
                      <LoaderCircle size={14} className="spin" aria-hidden /> Loading
                    </>
                  )}
                </span>
              </div>
            );
          return (
            <TreeLine
              key={item.key}
              id={`${base}-${item.index}`}
              index={item.index}
              line={l}
              start={item.start}
              height={height}
              active={item.index === at}
              picked={selected.has(l.node.id)}
              typeName={s.types.get(l.node.typeId)?.displayName ?? l.node.typeId}
              canPick={s.canEdit}
              flat={store.flat}
              narrow={narrow}
              parent={store.flat && l.node.parentId !== null ? nameOf(l.node.parentId) : null}
              scope={l.limit?.scopeEntityIds.map(nameOf).join(" + ") ?? ""}
              {...standingOf(l.node, l.limit, l.ceiling, store.find)}
              now={now}
              onAct={act}
            />
          );
        })}
      </div>
    </div>
  );
}

type SortColumnProps = { store: TreeStore; sort: Sort; look: string; onSort: (by: Sort) => void; children: ReactNode };

/** The head of a column that puts the rows in its order; once more, the other way round. */
function SortColumn({ store, sort, look, onSort, children }: SortColumnProps) {
  const mine = store.sort === sort;
  const Icon = store.descending ? ArrowDown : ArrowUp;
  return (
    <span role="columnheader" className={look} aria-sort={mine ? (store.descending ? "descending" : "ascending") : undefined}>
      <button type="button" className="sort" onClick={() => onSort(sort)}>
        {children}
        {mine && <Icon size={13} aria-hidden />}
      </button>
    </span>
  );
}

/** The ids that a line shows of entities whose names are not loaded. */
function unnamed(line: Line | undefined, store: TreeStore): string[] {
  if (line?.kind !== "node") return [];
  const { limits, parentId } = line.node;
  const ids = limits.flatMap(l => l.scopeEntityIds);
  if (store.flat && parentId !== null) ids.push(parentId);
  return ids.filter(id => !store.nodes.get(id)?.name);
}
