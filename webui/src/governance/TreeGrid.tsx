import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { ArrowUpFromLine, ChevronRight, LoaderCircle } from "lucide-react";
import { type KeyboardEvent, memo, useCallback, useEffect, useId, useState } from "react";
import { formatExact, formatRatio, isZero, less } from "../api/amount";
import type { TreeRow } from "../api/types";
import { cadenceWords, longTime, until } from "../lib/time";
import { Amt, StatusBadge, Trouble, UsageBar, useNow } from "../ui";
import { useSession } from "./session";
import { type Line, statusOf, type TreeNode, type TreeStore, tightest } from "./tree";

type Props = {
  store: TreeStore;
  lines: Line[];
  selected: ReadonlySet<string>;
  onPick: (id: string, on: boolean) => void;
  onPickAll: (ids: ReadonlySet<string>) => void;
};

/** Two lines to a row where there is no room for columns. */
function useNarrow(el: HTMLElement | null): boolean {
  const [narrow, setNarrow] = useState(false);
  useEffect(() => {
    if (!el) return;
    const seen = new ResizeObserver(([e]) => setNarrow((e?.contentRect.width ?? 1000) < 640));
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
export function TreeGrid({ store, lines, selected, onPick, onPickAll }: Props) {
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
          <span role="columnheader" className="c-name">
            Name
          </span>
          <span role="columnheader" className="c-used">
            Used
          </span>
          <span role="columnheader" className="c-limit right">
            Limit
          </span>
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
            <Row
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
              now={now}
              onAct={act}
            />
          );
        })}
      </div>
    </div>
  );
}

const indent = (level: number, narrow = false) => (level - 1) * (narrow ? 10 : 20);

type Act = (what: "toggle" | "pick" | "open", index: number, id: string, on?: boolean) => void;

type RowProps = {
  id: string;
  index: number;
  line: Extract<Line, { kind: "node" }>;
  start: number;
  height: number;
  active: boolean;
  picked: boolean;
  typeName: string;
  canPick: boolean;
  flat: boolean;
  narrow: boolean;
  now: number;
  onAct: Act;
};

const Row = memo(function Row({ id, index, line, start, height, active, picked, typeName, canPick, flat, narrow, now, onAct }: RowProps) {
  const { node, level, position, size, open, ceiling } = line;
  const limit = tightest(node.limits);
  const status = statusOf(limit, ceiling);
  const name = node.name ?? node.id;
  return (
    <div
      id={id}
      role="row"
      aria-rowindex={index + 2}
      aria-level={level}
      aria-posinset={position}
      aria-setsize={size}
      aria-expanded={!flat && node.childCount > 0 ? open : undefined}
      aria-selected={canPick ? picked : undefined}
      className={`grid-row placed ${active ? "active" : ""} ${picked ? "picked" : ""} ${node.archived ? "archived" : ""}`}
      style={{ transform: `translateY(${start}px)`, height }}
      onClick={() => onAct("open", index, node.id)}
    >
      {canPick && (
        <span role="gridcell" className="c-pick">
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`Select ${name}`}
            checked={picked}
            onClick={e => e.stopPropagation()}
            onChange={e => onAct("pick", index, node.id, e.target.checked)}
          />
        </span>
      )}
      <span role="gridcell" className="c-name" style={{ paddingLeft: flat ? 0 : indent(level, narrow) }}>
        {!flat &&
          (node.childCount > 0 ? (
            <button
              type="button"
              tabIndex={-1}
              className="twist"
              data-open={open}
              aria-label={`${open ? "Close" : "Open"} ${name}`}
              onClick={e => {
                e.stopPropagation();
                onAct("toggle", index, node.id);
              }}
            >
              <ChevronRight size={15} aria-hidden />
            </button>
          ) : (
            <span className="twist" />
          ))}
        <span className="ellipsis name" title={name === node.id ? name : `${name} (${node.id})`}>
          {name}
        </span>
        <span className="muted small ellipsis type">
          {typeName}
          {!flat && node.childCount > 0 && <span className="num"> · {node.childCount.toLocaleString("en")}</span>}
          {flat && node.parentId && <> · in {node.parentId}</>}
        </span>
        <Notes node={node} limit={limit} />
      </span>
      {limit?.currentUsage != null && limit.reserved !== null ? (
        <Figures limit={limit} node={node} status={status} ceiling={line.ceiling} now={now} />
      ) : (
        <>
          <span role="gridcell" className="c-used muted" />
          <span role="gridcell" className="c-limit muted right">
            –
          </span>
          <span role="gridcell" className="c-left right">
            {ceiling ? <Least ceiling={ceiling} own={null} /> : <span className="muted">–</span>}
          </span>
          <span role="gridcell" className="c-reset" />
        </>
      )}
      <span role="gridcell" className="c-status">
        <StatusBadge status={status} />
      </span>
    </div>
  );
});

function Notes({ node, limit }: { node: TreeNode; limit: TreeRow | undefined }) {
  if (!limit) return null;
  return (
    <span className="row notes">
      {limit.label && <span className="chip ellipsis">{limit.label}</span>}
      {limit.scopeEntityIds.length > 0 && (
        <span className="chip ellipsis" title={`Counts only usage on ${limit.scopeEntityIds.join(" and ")}`}>
          on {limit.scopeEntityIds.join(" + ")}
        </span>
      )}
      {node.limits.length > 1 && (
        <span className="chip num" title={`${node.limits.length - 1} more limits, less full`}>
          +{node.limits.length - 1}
        </span>
      )}
    </span>
  );
}

function Figures({
  limit,
  status,
  ceiling,
  now,
}: {
  limit: TreeRow;
  node: TreeNode;
  status: ReturnType<typeof statusOf>;
  ceiling: RowProps["line"]["ceiling"];
  now: number;
}) {
  const used = limit.currentUsage ?? 0;
  const held = limit.reserved ?? 0;
  const words = `${formatExact(used)} used${isZero(held) ? "" : `, ${formatExact(held)} held`} of ${limit.usageLimit === null ? "no limit" : formatExact(limit.usageLimit)}`;
  return (
    <>
      <span role="gridcell" className="c-used" title={words}>
        {limit.usageLimit !== null && <UsageBar used={used} held={held} limit={limit.usageLimit} status={status} />}
        <span className="num amount" aria-hidden>
          <Amt v={used} />
        </span>
        <span className="num muted ratio">{limit.utilization === null ? "" : formatRatio(Number(limit.utilization))}</span>
        <span className="hidden">{words}</span>
      </span>
      <span role="gridcell" className="c-limit right">
        {limit.usageLimit === null ? <span className="muted">none</span> : <Amt v={limit.usageLimit} />}
      </span>
      <span role="gridcell" className="c-left right">
        {ceiling && (limit.remaining === null || less(ceiling.remaining, limit.remaining)) ? (
          <Least ceiling={ceiling} own={limit.remaining} />
        ) : limit.remaining === null ? (
          <span className="muted">–</span>
        ) : (
          <Amt v={limit.remaining} />
        )}
      </span>
      <span
        role="gridcell"
        className="c-reset small muted"
        title={limit.usagePeriodEnd ? `Each ${cadenceWords(limit.cadence ?? "")}; next ${longTime(limit.usagePeriodEnd)}` : undefined}
      >
        {limit.usagePeriodEnd ? until(limit.usagePeriodEnd, now) : ""}
      </span>
    </>
  );
}

/** What is left where an ancestor leaves less than the limit itself. */
function Least({ ceiling, own }: { ceiling: NonNullable<RowProps["line"]["ceiling"]>; own: TreeRow["remaining"] }) {
  const by = ceiling.node.name ?? ceiling.node.id;
  return (
    <span
      className="num least"
      title={`${by} leaves ${formatExact(ceiling.remaining)}${own === null ? "" : `; this limit alone would leave ${formatExact(own)}`}`}
    >
      <ArrowUpFromLine size={12} aria-hidden />
      <span className="hidden">left by {by}: </span>
      <Amt v={ceiling.remaining} />
    </span>
  );
}
