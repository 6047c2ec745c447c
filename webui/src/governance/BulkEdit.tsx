import { useState } from "react";
import { decimal, formatExact, nano } from "../api/amount";
import { Exact } from "../api/json";
import { count } from "../api/locale";
import { readAmount } from "../api/typed";
import type { Assignment, Enforcement, TreeRow } from "../api/types";
import { digest } from "../lib/digest";
import { cadenceOptions } from "../lib/time";
import { Button, Checkbox, Dialog, Notice, Select, Text, Trouble, useAction } from "../ui";
import { AmountField } from "../ui/AmountField";
import { keptOf, StillHere, useKeeping } from "../ui/kept";
import { byDefault, ownWords } from "./Default";
import { inputOf, type LimitInput, readLimits } from "./limit";
import { named, putLimits, useSession } from "./session";
import { readPercent, scaled } from "./share";
import type { TreeNode } from "./tree";

type How = "set" | "percent" | "unlimited" | "enforcement";
type BulkDraft = {
  how: How;
  value: string;
  cadence: string;
  enforcement: Enforcement;
  label: string;
  create: boolean;
  /** Whether those get one of their own that have it by default. */
  given: boolean;
  soFar: boolean;
};
const unchanged: BulkDraft = {
  how: "set",
  value: "",
  cadence: "P1M",
  enforcement: "hard",
  label: "",
  create: true,
  given: true,
  soFar: false,
};

/** Changes one capability's limits of many entities at once, after showing what will change. */
export default function BulkEdit({ nodes, onClose }: { nodes: TreeNode[]; onClose: () => void }) {
  const s = useSession();
  const c = s.capability;
  // Of the very same entities alone: it was typed for them.
  const of = digest(
    nodes
      .map(n => n.id)
      .sort()
      .join("\n"),
  );
  const key = `bulk:${s.draftsOf}:${c?.kind}:${c?.id}:${of}`;
  const [draft, setDraft] = useState<BulkDraft>(() => ({ ...unchanged, ...keptOf<BulkDraft>(key)?.state }));
  const { how, value, cadence, enforcement, create, given, soFar } = draft;
  const set = (d: Partial<BulkDraft>) => setDraft(before => ({ ...before, ...d }));
  const run = useAction();
  const keeping = useKeeping(key, "The change of several limits", draft, JSON.stringify(draft) !== JSON.stringify(unchanged), run.busy);
  const labels = [...new Set(["", ...nodes.flatMap(n => n.limits.map(l => l.label ?? ""))])];
  const label = labels.includes(draft.label) ? draft.label : "";

  const own = (n: TreeNode) => n.limits.find(l => l.scopeEntityIds.length === 0 && l.label === label);
  const amount = how === "set" ? readAmount(value).amount : null;
  const factor = how === "percent" ? readPercent(value) : null;
  const ready = how === "unlimited" || how === "enforcement" || amount !== null || (factor !== null && factor >= -100);
  const changes = ready ? nodes.flatMap(n => change(n, own(n))) : [];

  function change(n: TreeNode, row: TreeRow | undefined): { node: TreeNode; before: TreeRow | undefined; after: Exact | null }[] {
    if (!row && (how === "percent" || how === "enforcement" || !create)) return [];
    if (row?.defaultOf && !given) return [];
    if (how === "set") return [{ node: n, before: row, after: amount }];
    if (how === "unlimited") return [{ node: n, before: row, after: null }];
    if (row?.usageLimit == null) return how === "enforcement" ? [{ node: n, before: row, after: null }] : [];
    return [
      { node: n, before: row, after: how === "percent" ? scaled(row.usageLimit, factor ?? 0) : new Exact(decimal(nano(row.usageLimit))) },
    ];
  }

  const save = () =>
    run.start(async () => {
      if (!c) return;
      const before = await readLimits(
        s,
        changes.flatMap(x => x.before ?? []),
      );
      const byId = new Map(before.map(a => [a.id, a]));
      const moved = changes.find(x => x.before && !sameLimit(byId.get(x.before.assignmentId ?? ""), x.before));
      if (moved)
        throw new Error(
          `The limit of ${moved.node.name ?? moved.node.id} was changed meanwhile. Close this, and choose again from what is there now.`,
        );
      const inputs = changes.map(x => input(x.node, byId.get(x.before?.assignmentId ?? ""), x.after));
      const { undo } = await putLimits(s, inputs, before);
      keeping.over();
      s.wrote({ text: `${count(inputs.length)} limits changed`, entityIds: changes.map(x => x.node.id), undo });
    }, onClose);

  function input(n: TreeNode, a: Assignment | undefined, after: Exact | null): LimitInput {
    if (!a)
      return {
        entityId: n.id,
        ...(c ? named(c) : {}),
        scopeEntityIds: [],
        label,
        usageLimit: after,
        cadence,
        enforcement,
        ifMatch: "none",
        ...(soFar ? { countFrom: "periodStart" as const } : {}),
      };
    const now = { ...inputOf(a), ifMatch: a.revision };
    if (how === "enforcement") return { ...now, enforcement };
    // The row shows the limit with its boosts; a percentage is of the limit itself.
    if (how === "percent" && a.usageLimit !== null) return { ...now, usageLimit: scaled(a.usageLimit, factor ?? 0) };
    return { ...now, usageLimit: after };
  }

  const made = changes.filter(x => !x.before).length;
  const byDefaultNow = nodes.filter(n => own(n)?.defaultOf).length;
  return (
    <Dialog
      title={`Edit limits of ${count(nodes.length)} ${nodes.length === 1 ? "entity" : "entities"}`}
      kind="wide"
      onClose={onClose}
      foot={
        <>
          <Button
            onClick={() => {
              keeping.over();
              onClose();
            }}
          >
            Cancel
          </Button>
          <Button look="primary" busy={run.busy} disabled={changes.length === 0} onClick={save}>
            Change {count(changes.length)} {changes.length === 1 ? "limit" : "limits"}
          </Button>
        </>
      }
    >
      <div className="stack" data-kept>
        <StillHere since={keeping.since} onDiscard={() => setDraft(unchanged)} />
        <div className="fields">
          <Select
            label={`Change of ${c?.name ?? "limits"}`}
            value={how}
            onChange={how => set({ how })}
            options={[
              ["set", "Set the same amount"],
              ["percent", "Raise or lower by percent"],
              ["unlimited", "Make unlimited"],
              ["enforcement", "Change hard or soft"],
            ]}
          />
          {how === "set" && (
            <AmountField label="Amount" value={value} onChange={value => set({ value })} unit={c?.unit || c?.name} autoFocus />
          )}
          {how === "percent" && (
            <Text
              label="Percent"
              value={value}
              onChange={value => set({ value })}
              placeholder="+10 or -25"
              autoFocus
              problem={value && (factor === null || factor < -100) ? "From -100" : null}
            />
          )}
          {labels.length > 1 && (
            <Select label="Label" value={label} onChange={label => set({ label })} options={labels.map(l => [l, l || "(none)"] as const)} />
          )}
          {(how === "enforcement" || how === "set") && (
            <Select
              label={how === "set" ? "New limits are" : "When it is reached"}
              value={enforcement}
              onChange={enforcement => set({ enforcement })}
              options={[
                ["hard", "Hard: stop requests"],
                ["soft", "Soft: report only"],
              ]}
            />
          )}
          {(how === "set" || how === "unlimited") && (
            <Select label="New limits reset every" value={cadence} onChange={cadence => set({ cadence })} options={cadenceOptions} />
          )}
        </div>
        {(how === "set" || how === "unlimited") && (
          <Checkbox checked={create} onChange={create => set({ create })}>
            Also set it where there is no such limit yet
          </Checkbox>
        )}
        {byDefaultNow > 0 && (
          <Notice>
            {count(byDefaultNow)} of them {byDefaultNow === 1 ? "has its limit" : "have their limits"} by default.
            <Checkbox checked={given} onChange={given => set({ given })}>
              Give {byDefaultNow === 1 ? "it one of its own" : "each of them one of its own"}, which {ownWords}
            </Checkbox>
          </Notice>
        )}
        {changes.length > 0 && (
          <div className="panel table-wrap" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th>Entity</th>
                  <th className="right">Current</th>
                  <th className="right">New</th>
                </tr>
              </thead>
              <tbody>
                {changes.slice(0, 12).map(x => (
                  <tr key={x.node.id}>
                    <td className="break">{x.node.name ?? x.node.id}</td>
                    <td className="right num">
                      {x.before ? (
                        x.before.usageLimit === null ? (
                          "unlimited"
                        ) : (
                          formatExact(x.before.usageLimit)
                        )
                      ) : (
                        <span className="muted">none</span>
                      )}
                      {x.before?.defaultOf && byDefault}
                    </td>
                    <td className="right num">
                      {how === "enforcement" ? enforcement : x.after === null ? "unlimited" : formatExact(x.after.text)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {changes.length > 12 && <p className="small muted">and {count(changes.length - 12)} more</p>}
        {made > 0 && (
          <Notice>
            {count(made)} of them {made === 1 ? "has" : "have"} no such limit yet; a new one begins{" "}
            {soFar ? "with what was used in its first period so far" : "at 0, whatever was used before"}.
            <Checkbox checked={soFar} onChange={soFar => set({ soFar })}>
              Count what was used in the period so far
            </Checkbox>
          </Notice>
        )}
        {changes.length > 100 && (
          <Notice kind="warn">Sent a hundred at a time: should one be refused, those before it stay changed.</Notice>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

/** Whether a limit still is what a row of the tree, with its boosts, showed of it. */
function sameLimit(a: Assignment | undefined, row: TreeRow): boolean {
  const text = (v: TreeRow["usageLimit"] | undefined) => (v == null ? v : decimal(nano(v)));
  return (
    a !== undefined &&
    !a.defaultOf === !row.defaultOf &&
    text(a.effectiveUsageLimit) === text(row.usageLimit) &&
    a.enforcement === row.enforcement
  );
}
