import { Upload } from "lucide-react";
import { useState } from "react";
import { decimal, formatExact, nano } from "../api/amount";
import { path } from "../api/client";
import type { Exact } from "../api/json";
import { count } from "../api/locale";
import { readPlain } from "../api/typed";
import type { Assignment, Default, Page, TreeRow } from "../api/types";
import { readCsv } from "../lib/csv";
import { perCadence } from "../lib/time";
import { Button, Dialog, Notice, Skeleton, Trouble, useAction } from "../ui";
import { byDefault, ownWords } from "./Default";
import type { LimitInput } from "./limit";
import { capabilityOf, putLimits, useSession } from "./session";
import type { Session } from "./sessiontype";

/** by: it takes the place of a limit by default. */
type Change = { line: number; input: LimitInput; before: Assignment | undefined; by: boolean; amount: string; was: string };
/** given: lines of limits by default, which stay so. */
type Plan = { changes: Change[]; same: number; given: number; problems: string[] };

const linesAllowed = 20_000;

/** Sets limits from a file, after showing how they differ from what is there. */
export default function CsvImport({ onClose }: { onClose: () => void }) {
  const s = useSession();
  const [plan, setPlan] = useState<Plan | null>(null);
  const reading = useAction();
  const run = useAction();

  const read = (file: File) =>
    reading.start(async () => {
      if (file.size > 8 << 20) throw new Error("The file is larger than 8 MiB.");
      const { rows, problem } = await readCsv(await file.text());
      if (problem) throw new Error(problem);
      if (rows.length > linesAllowed) throw new Error(`More than ${count(linesAllowed)} lines.`);
      const limits = await s.api.all<Assignment>(path`/customers/${s.customerId}/assignments`, {}, 500_000);
      setPlan(compare(rows, limits, await givenRows(s, rows)));
    });

  const save = () =>
    run.start(async () => {
      if (!plan) return;
      const before = plan.changes.flatMap(c => c.before ?? []);
      const { undo } = await putLimits(
        s,
        plan.changes.map(c => c.input),
        before,
      );
      s.wrote({ text: `${count(plan.changes.length)} limits imported`, entityIds: null, undo });
    }, onClose);

  return (
    <Dialog
      title="Import limits"
      kind="wide"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} disabled={!plan || plan.changes.length === 0 || plan.problems.length > 0} onClick={save}>
            {plan ? `Apply ${count(plan.changes.length)} changes` : "Apply"}
          </Button>
        </>
      }
    >
      <div className="stack" data-draft>
        <p className="muted">
          The columns of an export: entityId, featureId or currencyId, and usageLimit (“unlimited”, or digits with a point before decimals
          and nothing between thousands, in every language: 1234.5); scopeEntityIds, label, cadence and enforcement may be left out. Nothing
          is written before you have seen the differences.
        </p>
        <label className="button" style={{ alignSelf: "flex-start" }}>
          <Upload size={15} aria-hidden />
          Choose a CSV file
          <input
            type="file"
            className="hidden"
            accept=".csv,text/csv"
            onChange={e => {
              const file = e.target.files?.[0];
              setPlan(null);
              if (file) void read(file);
              e.target.value = "";
            }}
          />
        </label>
        {reading.busy && <Skeleton lines={3} />}
        {reading.error !== null && <Trouble error={reading.error} />}
        {plan && plan.problems.length > 0 && (
          <Notice kind="bad">
            <span className="strong">{count(plan.problems.length)} lines cannot be read.</span> Correct the file and choose it again.
            <ul className="small">
              {plan.problems.slice(0, 8).map(p => (
                <li key={p} className="break">
                  {p}
                </li>
              ))}
            </ul>
          </Notice>
        )}
        {plan && plan.problems.length === 0 && (
          <p>
            <span className="strong">{count(plan.changes.length)} changes</span>; {count(plan.same)} lines are unchanged.
            {plan.given > 0 &&
              ` ${count(plan.given)} are limits by default and stay so, whatever they say: empty the column byDefault where another amount shall be one of their own.`}
          </p>
        )}
        {plan?.changes.some(c => c.by) && <Notice>Those that have their limit by default get one of their own, which {ownWords}.</Notice>}
        {plan && plan.changes.length > 0 && (
          <div className="panel table-wrap changes" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th>Line</th>
                  <th>Entity</th>
                  <th className="right">Current</th>
                  <th className="right">New</th>
                </tr>
              </thead>
              <tbody>
                {plan.changes.slice(0, 100).map(c => (
                  <tr key={c.line}>
                    <td className="num muted">{c.line}</td>
                    <td className="break">
                      {c.input.entityId}
                      <div className="small muted">
                        {capabilityOf(c.input, s.capabilities)?.name ?? c.input.featureId ?? c.input.currencyId} {c.input.label}
                      </div>
                    </td>
                    <td className="right num">
                      {c.was || <span className="muted">none</span>}
                      {c.by && byDefault}
                    </td>
                    <td className="right num">{c.amount}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {plan && plan.changes.length > 100 && (
          <p className="small muted">
            The first 100 are shown. Sent a hundred at a time: should one be refused, those before it stay changed.
          </p>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

const capabilityKey = (of: { featureId?: string; currencyId?: string }) => (of.featureId ? `f:${of.featureId}` : `c:${of.currencyId}`);
const keyOf = (entityId: string, capability: string, scope: string[], label: string) =>
  JSON.stringify([entityId, capability, [...scope].sort(), label]);

/** What a file would change. */
export function compare(rows: Record<string, string>[], limits: Assignment[], byDefault: TreeRow[]): Plan {
  const given = new Map(byDefault.map(r => [keyOf(r.entityId, capabilityKey(r), [], r.label ?? ""), r]));
  const there = new Map(limits.map(a => [keyOf(a.entityId, capabilityKey(a), a.scopeEntityIds, a.label), a]));
  const plan: Plan = { changes: [], same: 0, given: 0, problems: [] };
  const seen = new Set<string>();
  const take = (row: Record<string, string>, i: number): unknown => {
    const line = i + 2;
    const get = (k: string) => (row[k] ?? "").trim();
    const bad = (why: string) => plan.problems.push(`Line ${line}: ${why}`);
    const [entityId, featureId, currencyId] = [get("entityId"), get("featureId"), get("currencyId")];
    if (!entityId) return bad("no entityId");
    if ((featureId === "") === (currencyId === "")) return bad("exactly one of featureId and currencyId");
    const scope = get("scopeEntityIds")
      .split(/[\s;|]+/)
      .filter(Boolean);
    const label = get("label");
    const unlimited = get("usageLimit").toLowerCase() === "unlimited";
    const amount = unlimited ? null : readPlain(get("usageLimit"));
    if (!unlimited && amount === null)
      return bad(`“${get("usageLimit")}” is no amount as a file writes it: digits, and a point before decimals, such as 3000 or 1234.5`);
    const enforcement = get("enforcement");
    if (enforcement && enforcement !== "hard" && enforcement !== "soft") return bad("enforcement is hard or soft");
    const key = keyOf(entityId, featureId ? `f:${featureId}` : `c:${currencyId}`, scope, label);
    if (seen.has(key)) return bad("the same limit twice");
    seen.add(key);
    const before = there.get(key);
    const mark = get("byDefault");
    if (mark && mark !== "default") return bad("byDefault is “default”, or empty");
    if (mark && !before) {
      plan.given++;
      return undefined;
    }
    const by = before ? undefined : given.get(key);
    if (by && same(by, amount, get("cadence"), get("enforcement"))) {
      plan.same++;
      return undefined;
    }
    const cadence = get("cadence");
    if (!before && !by && !cadence) return bad("a new limit needs a cadence");
    if (before && same(before, amount, cadence, enforcement)) {
      plan.same++;
      return;
    }
    const input: LimitInput = {
      entityId,
      ...(featureId ? { featureId } : { currencyId }),
      scopeEntityIds: scope,
      label,
      ifMatch: before?.revision ?? "none",
      usageLimit: amount,
      ...(cadence ? { cadence } : {}),
      ...(enforcement ? { enforcement: enforcement as "hard" | "soft" } : {}),
    };
    const each = (c: string) => (cadence && now?.cadence !== cadence ? ` ${perCadence(c)}` : "");
    const now = before ?? by;
    plan.changes.push({
      line,
      input,
      before,
      amount:
        (amount ? formatExact(amount.text) : "unlimited") +
        each(cadence) +
        (enforcement && now?.enforcement !== enforcement ? ` ${enforcement}` : ""),
      by: by !== undefined,
      was: now ? (now.usageLimit === null ? "unlimited" : formatExact(now.usageLimit)) + each(now.cadence ?? "") : "",
    });
    return undefined;
  };
  for (const [i, row] of rows.entries()) take(row, i);
  return plan;
}

/** The limits by default of what a file is about; there is no list of them but the tree. */
async function givenRows(s: Session, rows: Record<string, string>[]): Promise<TreeRow[]> {
  const ids = (k: string) => [...new Set(rows.flatMap(r => r[k]?.trim() || []))].slice(0, 100);
  const about = { featureIds: ids("featureId"), currencyIds: ids("currencyId") };
  if (about.featureIds.length + about.currencyIds.length === 0) return [];
  const some = await s.api.get<Page<Default>>(path`/customers/${s.customerId}/default-limits`, { limit: 1 });
  if (some.data.length === 0 && s.rights.root === null) return [];
  const query = { ...about, scope: "nodeWide", sortBy: "id", order: "asc", limit: 1000 };
  return (await s.api.all<TreeRow>(path`/customers/${s.customerId}/governance`, query, 500_000)).filter(r => r.defaultOf);
}

function same(
  a: Pick<TreeRow, "usageLimit" | "cadence" | "enforcement">,
  amount: Exact | null,
  cadence: string,
  enforcement: string,
): boolean {
  const limit = a.usageLimit === null ? null : decimal(nano(a.usageLimit));
  return limit === (amount?.text ?? null) && (!cadence || cadence === a.cadence) && (!enforcement || enforcement === a.enforcement);
}
