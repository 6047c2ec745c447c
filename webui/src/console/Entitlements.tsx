import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { formatRatio, isZero, percent } from "../api/amount";
import { path } from "../api/client";
import { editable, readAmount } from "../api/typed";
import type { Entitlement, Feature, One, PromotionalEntitlement } from "../api/types";
import { day, fromLocal, longTime, toLocal } from "../lib/time";
import { Badge, Checkbox, Confirm, Select, Text, toast, UsageBar } from "../ui";
import { AmountField } from "../ui/AmountField";
import { FormDialog, useFields } from "../ui/FormDialog";
import { Full } from "../ui/Full";
import { List, RowButton } from "../ui/List";
import { useApi } from "./session";

type Reset = NonNullable<PromotionalEntitlement["resetPeriod"]>;
const resets: Record<Reset, string> = { HOUR: "hour", DAY: "day", WEEK: "week", MONTH: "month", YEAR: "year" };

/** Promotional entitlements: limits of a feature for a whole customer, for a time. */
export function Entitlements({ customerId }: { customerId: string }) {
  const api = useApi();
  const [editing, setEditing] = useState<PromotionalEntitlement | "new" | null>(null);
  const [deleting, setDeleting] = useState<PromotionalEntitlement | null>(null);
  const customer = path`/customers/${customerId}`;
  const got = useQuery({
    queryKey: ["promotions", customerId],
    queryFn: () => api.all<PromotionalEntitlement>(`${customer}/promotional-entitlements`),
  });
  const now = useQuery({
    queryKey: ["entitlements", customerId],
    queryFn: () => api.get<One<{ entitlements: Entitlement[] }>>(`${customer}/entitlements`),
    refetchInterval: 10_000,
  });
  const features = useQuery({ queryKey: ["features"], queryFn: () => api.all<Feature>("/features") });
  const name = (id: string) => features.data?.find(f => f.id === id)?.displayName ?? id;
  const used = (id: string) => now.data?.data.entitlements.find(e => e.feature?.id === id)?.currentUsage;
  return (
    <div className="customer-body stack">
      <List
        about="Promotional entitlements: how much of a feature the whole customer may use, whoever in its tree uses it. A feature without one is limited by budgets alone."
        add="Add an entitlement"
        onAdd={() => setEditing("new")}
        got={got}
        none={{ title: "No entitlements yet", text: "Such as 1,000,000 tokens a month for a trial of two weeks." }}
        columns={[
          { head: "Feature", look: "strong break", cell: p => <span title={p.featureId}>{name(p.featureId)}</span> },
          { head: "Used", look: "cell-bar", cell: p => p.status === "Active" && <Used entitlement={p} used={used(p.featureId)} /> },
          {
            head: "Limit",
            look: "right",
            cell: p => (
              <>
                {p.usageLimit === null ? "unlimited" : <Full v={p.usageLimit} />}
                {p.hasSoftLimit && <div className="small muted">soft</div>}
              </>
            ),
          },
          { head: "Resets", look: "muted nowrap", cell: p => (p.resetPeriod ? `every ${resets[p.resetPeriod]}` : "never") },
          { head: "Ends", look: "muted num", cell: p => (p.endDate ? <span title={longTime(p.endDate)}>{day(p.endDate)}</span> : "never") },
          { head: "Status", cell: p => <Badge of="promotion" status={p.status} /> },
        ]}
        actions={p => (
          <>
            <RowButton onClick={() => setEditing(p)}>Replace</RowButton>
            <RowButton onClick={() => setDeleting(p)}>Delete</RowButton>
          </>
        )}
      >
        {editing && (
          <EntitlementForm
            customer={customer}
            features={features.data?.filter(f => !f.archivedAt) ?? []}
            old={editing === "new" ? null : editing}
            onClose={() => setEditing(null)}
          />
        )}
        {deleting && (
          <Confirm
            title={`Delete the entitlement to ${name(deleting.featureId)}?`}
            action="Delete"
            danger
            onClose={() => setDeleting(null)}
            onConfirm={async () => {
              await api.delete(`${customer}/promotional-entitlements${path`/${deleting.featureId}`}`);
              toast("Entitlement deleted");
              void got.refetch();
            }}
          >
            <p>From now on only budgets limit this feature.</p>
          </Confirm>
        )}
      </List>
    </div>
  );
}

function Used({ entitlement: p, used }: { entitlement: PromotionalEntitlement; used: Entitlement["currentUsage"] }) {
  if (used === undefined) return null;
  if (p.usageLimit === null || isZero(p.usageLimit)) return <Full v={used} />;
  const full = percent(used, p.usageLimit) >= 100;
  return (
    <>
      <UsageBar used={used} held={0} limit={p.usageLimit} status={!full ? "ok" : p.hasSoftLimit ? "over" : "blocked"} />
      <span className="small muted">
        <Full v={used} /> · {formatRatio(percent(used, p.usageLimit) / 100)}
      </span>
    </>
  );
}

const periods: (readonly [PromotionalEntitlement["period"], string])[] = [
  ["lifetime", "no end"],
  ["1 week", "1 week"],
  ["1 month", "1 month"],
  ["6 month", "6 months"],
  ["1 year", "1 year"],
  ["custom", "a date"],
];

const weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/** When a reset period begins: the default is the entitlement's own start. */
function beginnings(reset: Reset | ""): (readonly [string, string])[] | null {
  const own = ["SubscriptionStart", "the entitlement's start"] as const;
  if (reset === "MONTH" || reset === "YEAR") return [own, ["StartOfTheMonth", "the first of the month"]];
  if (reset === "WEEK") return [own, ...weekdays.map(d => [`Every${d}`, d] as const)];
  return null;
}

type FormProps = { customer: string; features: Feature[]; old: PromotionalEntitlement | null; onClose: () => void };

function EntitlementForm({ customer, features, old, onClose }: FormProps) {
  const api = useApi();
  const { values, bind, set } = useFields({
    featureId: old?.featureId ?? "",
    limit: old?.usageLimit == null ? "" : editable(old.usageLimit),
    unlimited: old?.hasUnlimitedUsage ?? false,
    soft: old?.hasSoftLimit ?? false,
    period: old?.period ?? ("lifetime" as PromotionalEntitlement["period"]),
    end: old?.period === "custom" && old.endDate ? toLocal(old.endDate) : "",
    reset: (old?.resetPeriod ?? "") as Reset | "",
    accordingTo: old?.resetPeriodConfiguration?.accordingTo ?? "SubscriptionStart",
  });
  const { unlimited, soft, period, end, reset, accordingTo } = values;
  const featureId = values.featureId || features[0]?.id || "";
  const feature = features.find(f => f.id === featureId);
  const limit = readAmount(values.limit).amount;
  const begins = beginnings(reset);
  const configuration = { YEAR: "yearly", MONTH: "monthly", WEEK: "weekly", DAY: "", HOUR: "", "": "" }[reset];
  return (
    <FormDialog
      title={old ? "Replace the entitlement" : "Add an entitlement"}
      ready={featureId !== "" && (unlimited || limit !== null) && (period !== "custom" || end !== "")}
      save={() =>
        api.post(`${customer}/promotional-entitlements`, {
          promotionalEntitlements: [
            {
              featureId,
              ...(unlimited ? { hasUnlimitedUsage: true } : { usageLimit: limit, hasSoftLimit: soft }),
              period,
              customEndDate: period === "custom" ? fromLocal(end) : undefined,
              resetPeriod: reset || undefined,
              ...(configuration ? { [`${configuration}ResetPeriodConfiguration`]: { accordingTo } } : {}),
            },
          ],
        })
      }
      said="Entitlement saved"
      onClose={onClose}
    >
      {!old && (
        <Select
          label="Feature"
          {...bind("featureId")}
          value={featureId}
          options={features.map(f => [f.id, f.displayName] as const)}
          hint="One that it already has is replaced"
        />
      )}
      {!unlimited && <AmountField label="Limit" {...bind("limit")} unit={feature?.featureUnitsPlural ?? feature?.displayName} autoFocus />}
      <Select label="For" {...bind("period")} options={periods} hint="It starts at once" />
      {period === "custom" && <Text label="Ends" type="datetime-local" {...bind("end")} />}
      <Select
        label="Resets"
        value={reset}
        onChange={v => set({ reset: v, accordingTo: "SubscriptionStart" })}
        options={[["", "never"], ...(["HOUR", "DAY", "WEEK", "MONTH", "YEAR"] as const).map(r => [r, `every ${resets[r]}`] as const)]}
      />
      {begins && <Select label="Counted from" {...bind("accordingTo")} options={begins} />}
      <div className="wide stack tight">
        <Checkbox checked={unlimited} onChange={v => set({ unlimited: v })}>
          Unlimited
        </Checkbox>
        {!unlimited && (
          <Checkbox checked={soft} onChange={v => set({ soft: v })}>
            Soft: usage above the limit is counted, not stopped
          </Checkbox>
        )}
      </div>
    </FormDialog>
  );
}
