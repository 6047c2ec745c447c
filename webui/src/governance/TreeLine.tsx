import { ArrowUpFromLine, ChevronRight } from "lucide-react";
import { memo, type ReactNode } from "react";
import { formatExact, formatRatio, formatShort, isZero, less } from "../api/amount";
import { count } from "../api/locale";
import type { TreeRow } from "../api/types";
import { cadenceWords, longTime, perCadence, until } from "../lib/time";
import { Amt, StatusBadge, UsageBar } from "../ui";
import { ByDefault } from "./Default";
import { type Figures, figuresOf } from "./figures";
import type { Standing, Status } from "./standing";
import type { Line, TreeNode } from "./tree";

/** How far a line of a level is moved in. */
export const indent = (level: number, narrow = false) => (level - 1) * (narrow ? 10 : 20);

export type Act = (what: "toggle" | "pick" | "open", index: number, id: string, on?: boolean) => void;

type RowProps = Standing & {
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
  /** What the entity is in, where the place in the table does not say so. */
  parent: string | null;
  /** What else usage must involve to count on the limit that is shown. */
  scope: string;
  now: number;
  onAct: Act;
};

/** An entity as a line of the table. */
export const TreeLine = memo(function TreeLine(props: RowProps) {
  const { id, index, line, start, height, active, picked, typeName, canPick, flat, narrow, parent, scope, status, cause, now, onAct } =
    props;
  const { node, level, position, size, open, ceiling, limit } = line;
  const notes = limit && <Notes node={node} limit={limit} scope={scope} />;
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
          {!flat && node.childCount > 0 && <span className="num"> · {count(node.childCount)}</span>}
          {parent !== null && <span title={node.parentId ?? ""}> · in {parent}</span>}
        </span>
        {!narrow && notes}
      </span>
      {limit?.currentUsage != null && limit.reserved !== null ? (
        <Cells limit={limit} status={status} ceiling={ceiling} now={now} notes={narrow ? notes : null} />
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
        <StatusBadge status={status} cause={cause} />
      </span>
    </div>
  );
});

function Notes({ node, limit, scope }: { node: TreeNode; limit: TreeRow; scope: string }) {
  return (
    <span className="row notes">
      {limit.cadence && <span className="chip period">{cadenceWords(limit.cadence)}</span>}
      {limit.defaultOf && <ByDefault of={limit.defaultOf} />}
      {limit.label && <span className="chip ellipsis">{limit.label}</span>}
      {scope && (
        <span className="chip ellipsis" title={`Counts only usage on ${limit.scopeEntityIds.join(" and ")}`}>
          on {scope}
        </span>
      )}
      {node.limits.length > 1 && (
        <span className="chip num" title={`${node.limits.length - 1} more limits: open it to see them`}>
          +{node.limits.length - 1}
        </span>
      )}
    </span>
  );
}

type CellsProps = {
  limit: TreeRow;
  status: Status;
  ceiling: RowProps["line"]["ceiling"];
  now: number;
  notes: ReactNode;
};

function Cells({ limit, status, ceiling, now, notes }: CellsProps) {
  const used = limit.currentUsage ?? 0;
  const held = limit.reserved ?? 0;
  const max = limit.usageLimit;
  const figures: Figures | null = max === null || limit.remaining === null ? null : figuresOf(used, held, max, limit.remaining);
  const words = `${formatExact(used)} used${isZero(held) ? "" : `, ${formatExact(held)} held`} of ${max === null ? "no limit" : formatExact(max)}`;
  return (
    <>
      <span role="gridcell" className="c-used" title={words}>
        {notes}
        {max !== null && <UsageBar used={used} held={held} limit={max} status={status} />}
        <span className="num amount" aria-hidden>
          {figures?.used ?? formatShort(used)}
          {figures && <span className="of muted"> / {figures.limit}</span>}
        </span>
        <span className="num muted ratio">{limit.utilization === null ? "" : formatRatio(Number(limit.utilization))}</span>
        <span className="hidden">{words}</span>
      </span>
      <span role="gridcell" className="c-limit num right" title={max === null ? undefined : formatExact(max)}>
        {figures?.limit ?? <span className="muted">none</span>}
      </span>
      <span role="gridcell" className="c-left num right" title={limit.remaining === null ? undefined : formatExact(limit.remaining)}>
        {ceiling && (limit.remaining === null || less(ceiling.remaining, limit.remaining)) ? (
          <Least ceiling={ceiling} own={limit.remaining} />
        ) : (
          (figures?.remaining ?? <span className="muted">–</span>)
        )}
      </span>
      <span
        role="gridcell"
        className="c-reset small muted"
        title={
          limit.usagePeriodEnd ? `The limit is ${perCadence(limit.cadence ?? "")}; it resets ${longTime(limit.usagePeriodEnd)}` : undefined
        }
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
