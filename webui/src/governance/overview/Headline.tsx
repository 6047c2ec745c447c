import { approx, formatRatio, formatShort, less } from "../../api/amount";
import { count } from "../../api/locale";
import type { ForecastRow, TreeRow } from "../../api/types";
import { dayOnly, perCadence, shortTime } from "../../lib/time";
import { Amt, Empty, Skeleton } from "../../ui";
import { Burn, Change } from "../Figure";
import { EndsOn, rangeWords, refusedWords } from "../foreseen";
import { offBy, type Period, plusDays, running, sharesOf } from "../period";
import { useSession } from "../session";
import type { Foreseen, Total } from "./reads";

const month = new Intl.DateTimeFormat("en-GB", { month: "long" });

type HeadlineProps = {
  whose: string;
  budget: TreeRow | null;
  foreseen: Foreseen;
  waiting: boolean;
  total: Total;
  period: Period;
};

export function Headline({ whose, budget, foreseen, waiting, total, period }: HeadlineProps) {
  const s = useSession();
  if (!total.data) return total.isError ? null : <Skeleton lines={5} />;
  const unit = s.capability?.unit || s.capability?.name || "";
  const used = sharesOf(total.data, period)[0];
  const row = foreseen.data?.main ?? null;
  const f = row?.forecast;
  // Without the forecast there is still what was used.
  const main: TreeRow | null = row ?? budget;
  const limit = main?.usageLimit ?? null;
  const end = new Date(period.from.getFullYear(), period.from.getMonth() + 1, 1);
  const off = main ? offBy(period.from, end, main.usagePeriodStart, main.usagePeriodEnd) : 0;
  // The chart is of the reader's month: of a budget whose own differs by more than a time zone it says nothing.
  const drawn = off <= 14 * 3_600_000;
  const ahead = drawn && f?.expected && f.low && f.high ? { level: approx(f.expected), low: approx(f.low), high: approx(f.high) } : null;
  const totals = running(used?.days ?? []);
  return (
    <section className="stack" aria-label="This month">
      <h3 className="break">{whose}</h3>
      <dl className="figures">
        <div>
          <dt>
            {main && off > 0
              ? `Used ${perCadence(main.cadence ?? "")}${main.usagePeriodStart ? `, since ${shortTime(main.usagePeriodStart)}` : ""}`
              : `Used in ${month.format(period.from)}`}
            , {unit}
          </dt>
          <dd>
            <Amt v={main ? (main.currentUsage ?? 0) : (used?.total ?? 0)} />{" "}
            <small>
              {main && limit !== null
                ? `of ${formatShort(limit)}${shareWords(main)}`
                : waiting || foreseen.isFetching
                  ? ""
                  : "no budget at the top"}
            </small>
          </dd>
        </div>
        <Expected row={row} failed={foreseen.isError} />
        <RunsOutFigure row={row} />
        {!drawn && (
          <div>
            <dt>Used in {month.format(period.from)}</dt>
            <dd>
              <Amt v={used?.total ?? 0} />
            </dd>
          </div>
        )}
        <div>
          <dt>Against {month.format(period.before)}</dt>
          <dd className="big-change">
            <Change now={used?.like ?? 0} before={used?.was ?? 0} />{" "}
            <small>{period.like > 0 ? `first ${days(period.like)}` : "from tomorrow"}</small>
          </dd>
        </div>
      </dl>
      {Number(used?.total ?? 0) === 0 ? (
        <Empty title={`No usage in ${month.format(period.from)} yet`} />
      ) : (
        <Burn
          totals={totals}
          span={new Date(period.from.getFullYear(), period.from.getMonth() + 1, 0).getDate()}
          limit={drawn && limit !== null ? approx(limit) : null}
          ahead={ahead}
          from={dayOnly(period.from.toISOString())}
          to={dayOnly(plusDays(end, -1).toISOString())}
          label={`Usage in ${month.format(period.from)}, added up day by day: ${formatShort(used?.total ?? 0)} ${unit}`}
        />
      )}
    </section>
  );
}

const days = (n: number) => (n === 1 ? "day" : `${count(n)} days`);
const shareWords = (r: TreeRow) => (r.utilization === null ? "" : ` (${formatRatio(Number(r.utilization))})`);

function Expected({ row, failed }: { row: ForecastRow | null; failed: boolean }) {
  const f = row?.forecast;
  if (!row || !f)
    return failed ? (
      <div>
        <dt>Expected</dt>
        <dd>
          <small>could not be read</small>
        </dd>
      </div>
    ) : null;
  return (
    <div>
      <dt>Expected{row.usagePeriodEnd && f.expected ? ` by ${lastDay(row.usagePeriodEnd)}` : ""}</dt>
      <dd>
        {f.expected ? (
          <>
            <Amt v={f.expected} />{" "}
            <small className={over(row) ? "ink-bad" : ""}>
              {rangeWords(f)}
              {over(row) ? ", above the budget" : ", within the budget"}
            </small>
          </>
        ) : (
          <small>{refusedWords(f)}</small>
        )}
      </dd>
    </div>
  );
}

/** The day before an end at midnight. */
const lastDay = (end: string) => dayOnly(new Date(Date.parse(end) - 1).toISOString());

const over = (r: ForecastRow) => r.forecast.expected !== null && r.usageLimit !== null && less(r.usageLimit, r.forecast.expected);

function RunsOutFigure({ row }: { row: ForecastRow | null }) {
  if (!row || (row.forecast.refused && !row.forecast.runsOutAt)) return null;
  return (
    <div>
      <dt>Runs out</dt>
      <dd>{row.forecast.runsOutAt ? <EndsOn row={row} /> : <small>not before it begins anew</small>}</dd>
    </div>
  );
}
