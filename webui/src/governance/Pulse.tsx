import { useQuery } from "@tanstack/react-query";
import { add, formatShort } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import type { ForecastRow, History, One } from "../api/types";
import { perCadence, zone } from "../lib/time";
import { Spark } from "./Figure";
import { EndsOn, rangeWords, refusedWords } from "./foreseen";
import { daysOf, lastDays, sharesOf } from "./period";
import { named, useSession } from "./session";

const rarely = { staleTime: 5 * 60_000, refetchOnWindowFocus: false, retry: false };

/** The last 30 days of an entity at a glance, and where its limits lead. */
export function Pulse({ entityId }: { entityId: string }) {
  const s = useSession();
  const cap = s.capability;
  const period = lastDays(30);
  const from = period.from.toISOString();
  const used = useQuery({
    queryKey: ["pulse", s.customerId, entityId, cap?.kind, cap?.id, from],
    queryFn: () =>
      s.api.get<One<History>>(path`/customers/${s.customerId}/entities/${entityId}/usage`, {
        ...(cap ? named(cap) : {}),
        startDate: from,
        granularity: "DAY",
        timezone: zone,
      }),
    enabled: cap !== null,
    ...rarely,
  });
  const ahead = useQuery({
    queryKey: ["ahead", s.customerId, entityId, cap?.kind, cap?.id],
    queryFn: () =>
      s.api.get<One<ForecastRow[]>>(path`/customers/${s.customerId}/forecast`, {
        ...(cap ? named(cap) : {}),
        rootEntityId: entityId,
        depth: 0,
        limit: 10,
      }),
    enabled: cap !== null,
    ...rarely,
  });
  if (!cap || !used.data) return null;
  const days = sharesOf(used.data.data.series, period)[0]?.days ?? daysOf(period).map(() => 0);
  const total = days.reduce<Amount>((sum, d) => add(sum, d), 0);
  const unit = cap.unit || cap.name;
  // Of one that is archived, what is below takes its place.
  const own = (ahead.data?.data ?? []).filter(r => r.entityId === entityId);
  const rows = own.filter(r => r.forecast.refused === null || r.forecast.runsOutAt !== null);
  const early = own.find(r => r.forecast.refused === "HISTORY_TOO_SHORT");
  if (Number(total) === 0 && rows.length === 0) return null;
  return (
    <section className="pulse" aria-label={`${cap.name}, last 30 days`}>
      <Spark values={days} label={`${cap.name} of the last 30 days, ${formatShort(total)} ${unit} in all`} />
      <div className="small">
        <div>
          <span className="num strong">{formatShort(total)}</span>{" "}
          <span className="muted">
            {unit} in 30 days{rows[0]?.forecast.perDay ? `, about ${formatShort(rows[0].forecast.perDay)} a day ahead` : ""}
          </span>
        </div>
        {rows.slice(0, 3).map(r => (
          <div key={r.assignmentId}>
            <span className="muted">
              Limit {perCadence(r.cadence ?? "")}
              {r.label ? ` “${r.label}”` : ""} runs out:
            </span>{" "}
            <EndsOn row={r} />
            {r.forecast.expected && (
              <span className="muted">
                {" "}
                · {formatShort(r.forecast.expected)} expected ({rangeWords(r.forecast)})
              </span>
            )}
          </div>
        ))}
        {rows.length === 0 && early && <div className="muted">When its limit runs out: {refusedWords(early.forecast)}</div>}
      </div>
    </section>
  );
}
