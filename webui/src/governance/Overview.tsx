import { useQueryClient } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { shortTime, zone } from "../lib/time";
import { Button, Empty, Trouble } from "../ui";
import { CapabilityPicker } from "./CapabilityPicker";
import { Counted } from "./overview/Counted";
import { Headline } from "./overview/Headline";
import { Models } from "./overview/Models";
import { Moved } from "./overview/Moved";
import { RunsOut } from "./overview/RunsOut";
import { keyOf, modelOf, useBelow, useBudgets, useForecasts, useMoved, useSums, useTops, useTotal, whoseOf } from "./overview/reads";
import { Stopped } from "./overview/Stopped";
import { Where } from "./overview/Where";
import { mainCadence, thisMonth } from "./period";
import { useSession } from "./session";
import { topOf } from "./top";

/** How a customer stands: this month against its budget, where that leads, who it was and who was stopped. */
export function Overview() {
  const s = useSession();
  if (!s.capability)
    return (
      <Empty title="Nothing is measured yet">
        <p>As soon as usage of a feature or a currency is reported, it is shown here.</p>
      </Empty>
    );
  return <Of key={`${s.capability.kind}:${s.capability.id}`} />;
}

function Of() {
  const s = useSession();
  const client = useQueryClient();
  const period = thisMonth();
  const roots = useTops(0);
  const tops = useTops(1);
  const top = roots.data ? topOf(roots.data) : undefined;
  const budgets = useBudgets();
  const known = budgets.data ? mainCadence(budgets.data.map(r => r.cadence ?? "")) : null;
  const cadence = budgets.isPending ? undefined : known;
  const foreseen = useForecasts(roots.isPending ? undefined : cadence, top?.root?.entityId);
  const model = modelOf(s);
  const total = useTotal(roots.isPending ? undefined : (top?.root?.entityId ?? ""), period);
  const whose = useSums(top && whoseOf(s, top), period);
  const models = useSums({ key: model.key }, period);
  const below = useBelow(top);
  const moved = useMoved(keyOf(below), period);
  // What is not asked for now is not read again either.
  const again = () =>
    void client.refetchQueries({ type: "active", predicate: q => shown.has(String(q.queryKey[0])) && q.queryKey[1] === s.customerId });
  const broken = [roots, tops, budgets, total].find(q => q.isError && !q.data);
  const cap = s.capability;
  if (!cap) return null;
  if (tops.data?.length === 0)
    return (
      <Empty title="No departments, teams, users or agents yet">
        <p>What they use is shown here as soon as there are some.</p>
        <Button onClick={() => s.go("tree")}>To the budgets</Button>
      </Empty>
    );
  const names = new Map((tops.data ?? []).map(r => [r.entityId, r.displayName ?? r.entityId]));
  const budgetOf = (id: string) => budgets.data?.find(r => r.entityId === id && r.cadence === cadence && r.usageLimit !== null);
  return (
    <div className="overview stack loose">
      <div className="row between wrap">
        <h2 className="hidden">Overview</h2>
        <CapabilityPicker />
        <span className="row small muted">
          {total.dataUpdatedAt > 0 && `as of ${shortTime(new Date(total.dataUpdatedAt).toISOString())}`}
          <Button size="small" look="quiet" aria-label="Read again" icon={<RotateCw size={14} />} onClick={again} />
        </span>
      </div>
      {broken && <Trouble error={broken.error} retry={() => broken.refetch()} />}
      {cap.counts === "sum" ? (
        <Headline
          whose={top?.root ? (top.root.displayName ?? top.root.entityId) : "All usage"}
          budget={(top?.root && budgetOf(top.root.entityId)) ?? null}
          foreseen={foreseen}
          waiting={budgets.isPending}
          total={total}
          period={period}
        />
      ) : (
        <p>
          Usage of {cap.name} is the most or the number of different ones at a time: of days and of many together it does not add up, so
          that only what each limit has counted is shown.
        </p>
      )}
      <div className="halves">
        {cap.counts !== "sum" ? (
          <Counted got={budgets} />
        ) : roots.isError && !roots.data ? null : (
          <Where
            title={
              top?.root
                ? `Below ${top.root.displayName ?? top.root.entityId}`
                : (s.types.get(top?.typeId ?? "")?.displayName ?? "By top level")
            }
            got={whose}
            period={period}
            names={names}
            budgetOf={budgetOf}
          />
        )}
        {cap.counts === "sum" && <RunsOut got={foreseen} cadence={known} />}
        {cap.counts === "sum" && <Models got={models} period={period} model={model} />}
        <Stopped />
        {cap.counts === "sum" && <Moved got={moved} type={below ?? null} />}
      </div>
      {cap.counts === "sum" && (
        <p className="small muted">
          Days begin at midnight in your time zone, {zone.replaceAll("_", " ")}. Periods are compared by as many whole days; today counts
          when it is over.
        </p>
      )}
    </div>
  );
}

/** What "Read again" reads. */
const shown = new Set(["tops", "budgets", "forecast", "total", "sums", "below", "stopped"]);
