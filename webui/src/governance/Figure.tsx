import { TrendingDown, TrendingUp } from "lucide-react";
import { approx, formatShort } from "../api/amount";
import type { Amount } from "../api/json";
import { count } from "../api/locale";
import { growth } from "./period";

// Small charts, drawn by hand: they are on the first page, before any chart library is loaded.

/** Usage day by day as a line without axes; its figures are beside it. */
export function Spark({ values, label }: { values: Amount[]; label: string }) {
  const v = values.map(approx);
  const top = Math.max(...v, 0) || 1;
  const x = (i: number) => (v.length < 2 ? 50 : (i / (v.length - 1)) * 100);
  const y = (n: number) => 27 - (n / top) * 26;
  const line = v.map((n, i) => `${x(i)},${y(n)}`).join(" ");
  return (
    <svg className="spark" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label={label}>
      <polygon points={`0,28 ${line} 100,28`} />
      <polyline points={line} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}

/** How a figure compares with the one before: "▲ 41 %". */
export function Change({ now, before }: { now: Amount; before: Amount }) {
  const g = growth(now, before);
  if (g === null)
    return (
      <span className="small muted nowrap">
        {Number(now) > 0 ? "new" : "–"}
        <span className="hidden"> since the period before</span>
      </span>
    );
  const up = g >= 0;
  const Icon = up ? TrendingUp : TrendingDown;
  const percent = Math.abs(g) > 99.99 ? ">9,999" : count(Math.round(Math.abs(g) * 100));
  return (
    <span className="small nowrap change" title={`${formatShort(before)} before, ${formatShort(now)} now`}>
      {Math.round(Math.abs(g) * 100) === 0 ? (
        <>±0%</>
      ) : (
        <>
          <Icon size={13} aria-hidden />
          <span className="hidden">{up ? "up" : "down"} </span>
          {percent}%
        </>
      )}
    </span>
  );
}

type Ahead = { level: number; low: number; high: number } | null;
type BurnProps = {
  /** Running totals day by day. */
  totals: number[];
  /** How many days the whole period has. */
  span: number;
  limit: number | null;
  ahead: Ahead;
  from: string;
  to: string;
  label: string;
};

/** What has been used of a budget since its period began, and where that leads. */
export function Burn({ totals, span, limit, ahead, from, to, label }: BurnProps) {
  const days = totals.length;
  const used = totals.at(-1) ?? 0;
  const top = Math.max(used, ahead?.high ?? 0, limit !== null && limit < 4 * Math.max(used, ahead?.high ?? 0) ? limit : 0) * 1.06 || 1;
  const x = (d: number) => (d / Math.max(1, span)) * 100;
  const y = (n: number) => 100 - (n / top) * 100;
  const line = totals.map((n, d) => `${x(d + 1)},${y(n)}`).join(" ");
  const limitIn = limit !== null && limit <= top;
  return (
    <div className="burn">
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={label}>
        {[0, 25, 50, 75, 100].map(v => (
          <line key={v} className="grid-line" x1="0" x2="100" y1={v} y2={v} vectorEffect="non-scaling-stroke" />
        ))}
        <polygon className="tone" points={`0,100 ${line} ${x(days)},100`} />
        {ahead && (
          <>
            <polygon className="cone" points={`${x(days)},${y(used)} 100,${y(ahead.high)} 100,${y(ahead.low)}`} />
            <line className="ahead" x1={x(days)} y1={y(used)} x2="100" y2={y(ahead.level)} vectorEffect="non-scaling-stroke" />
          </>
        )}
        {limitIn && <line className="limit-line" x1="0" x2="100" y1={y(limit)} y2={y(limit)} vectorEffect="non-scaling-stroke" />}
      </svg>
      {limitIn && (
        <span className="limit-word small" style={{ top: `${y(limit)}%` }}>
          Budget {formatShort(limit)}
        </span>
      )}
      <div className="burn-times small muted num" aria-hidden>
        <span>{from}</span>
        <span>{to}</span>
      </div>
    </div>
  );
}
