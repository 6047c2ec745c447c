import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { count } from "../api/locale";
import type { Default } from "../api/types";
import { perCadence } from "../lib/time";
import { Button, Confirm, Dialog, Empty, Reading, Select } from "../ui";
import { useDefaultWords } from "./Default";
import { DefaultForm } from "./DefaultForm";
import { deleteDefault, inputOf, putDefault, reachOf, readDefaults, sourceOf } from "./defaults";
import { limitWords, titleOf } from "./Limit";
import { capabilityOf, useSession } from "./session";

type Shown = { change: Default | "new" } | { end: Default } | null;

/** All defaults of the customer, by type; those for everybody are set here. */
export default function Defaults({ onClose }: { onClose: () => void }) {
  const s = useSession();
  const [typeId, setTypeId] = useState("");
  return (
    <Dialog title="Default limits" kind="wide" onClose={onClose} foot={<Button onClick={onClose}>Close</Button>}>
      <div className="stack">
        <p className="muted">The limit of whoever has none of its own. The closest default counts, then the one with most conditions.</p>
        <Select
          label="Type"
          value={typeId}
          onChange={setTypeId}
          options={[["", "All types"] as const, ...[...s.types.values()].map(t => [t.id, t.displayName] as const)]}
        />
        <DefaultList entityId={null} shows={d => typeId === "" || d.entityTypeId === typeId} />
      </div>
    </Dialog>
  );
}

/** The defaults that hold below an entity, its own and those from above. */
export function DefaultsBelow({ entityId, above }: { entityId: string; above: string[] }) {
  const holds = (d: Default) => d.entityId === null || d.entityId === entityId || above.includes(d.entityId);
  return <DefaultList entityId={entityId} shows={holds} />;
}

type ListProps = { /** Below whom new ones hold; null: in the whole customer. */ entityId: string | null; shows: (d: Default) => boolean };

function DefaultList({ entityId, shows }: ListProps) {
  const s = useSession();
  const [shown, setShown] = useState<Shown>(null);
  const got = useQuery({ queryKey: ["defaults", s.customerId], queryFn: () => readDefaults(s) });
  const rows = (got.data ?? []).filter(shows);
  // What holds in the whole customer is not a subtree's to set.
  const mayAdd = s.canEdit && (entityId !== null || s.rights.root === null);
  const change = shown && "change" in shown ? shown.change : null;
  return (
    <div className="stack">
      <Reading got={got} lines={4} />
      {got.data && rows.length === 0 && (
        <Empty title={entityId === null ? "No default limits yet" : "No default holds below"}>
          <p>A default is the limit of each, such as every user, that has none of its own.</p>
        </Empty>
      )}
      {rows.map(d => (
        <Card key={d.id} of={d} at={entityId} onChange={() => setShown({ change: d })} onEnd={() => setShown({ end: d })} />
      ))}
      {mayAdd && got.data && (
        <div>
          <Button icon={<Plus size={15} />} onClick={() => setShown({ change: "new" })}>
            {entityId === null ? "Set a default for all" : "Set a default"}
          </Button>
        </div>
      )}
      {change && (
        <DefaultForm
          entityId={change === "new" ? entityId : change.entityId}
          of={change === "new" ? null : change}
          onClose={() => setShown(null)}
        />
      )}
      {shown && "end" in shown && <End of={shown.end} onClose={() => setShown(null)} />}
    </div>
  );
}

type CardProps = { of: Default; at: string | null; onChange: () => void; onEnd: () => void };

function Card({ of, at, onChange, onEnd }: CardProps) {
  const s = useSession();
  const words = useDefaultWords(sourceOf(of));
  const above = at !== null && of.entityId !== at;
  const title = `${titleOf(s, of)}, ${words}`;
  return (
    <section className="limit" aria-label={`${title} ${of.label}`.trim()}>
      <div className="row wrap">
        <h3 className="break">{titleOf(s, of)}</h3>
        {of.label && <span className="chip ellipsis">{of.label}</span>}
        {above && <span className="chip">from above</span>}
      </div>
      <p className="break">
        <span className="strong num">{limitWords(of.usageLimit)}</span> {perCadence(of.cadence)} for {words}
      </p>
      <p className="small muted">
        {of.enforcement === "hard" ? "Stops requests" : "Reports only"} · {of.timezone}
        {of.alertThresholds.length > 0 && ` · alerts at ${of.alertThresholds.map(t => `${t}%`).join(", ")}`}
      </p>
      {s.canEdit && (of.entityId !== null || s.rights.root === null) && (
        <div className="row wrap">
          <Button size="small" icon={<Pencil size={14} />} aria-label={`Edit ${title}`} onClick={onChange}>
            Edit
          </Button>
          <Button size="small" look="quiet" className="danger" icon={<Trash2 size={14} />} aria-label={`Delete ${title}`} onClick={onEnd}>
            Delete
          </Button>
        </div>
      )}
    </section>
  );
}

/** Ends a default, after whose limits that changes was said. */
function End({ of, onClose }: { of: Default; onClose: () => void }) {
  const s = useSession();
  const words = useDefaultWords(sourceOf(of));
  const capability = capabilityOf(of, s.capabilities);
  const got = useQuery({
    queryKey: ["reach", s.customerId, of.id],
    queryFn: async () =>
      capability &&
      (await reachOf(s, { entityId: of.entityId, typeId: of.entityTypeId, metadata: of.metadata, capability, label: of.label }, of.id)),
  });
  const r = got.data;
  return (
    <Confirm
      title={`Delete the default of ${titleOf(s, of)}?`}
      action="Delete"
      danger
      onClose={onClose}
      onConfirm={async () => {
        await deleteDefault(s, of);
        s.wrote({
          text: `Default deleted: ${titleOf(s, of)} for ${words}`,
          entityIds: null,
          undo: () => putDefault(s, { ...inputOf(of), ifMatch: "none" }),
        });
      }}
    >
      <p className="break which">
        <span className="strong">{words}</span> · {limitWords(of.usageLimit)} {perCadence(of.cadence)}
      </p>
      <Reading got={got} lines={1} />
      {r && (
        <p>
          <span className="strong">
            {r.more ? "More than " : ""}
            {count(r.by)} {r.by === 1 ? "is" : "are"} limited by it.
          </span>{" "}
          Another default takes its place where there is one; else only the limits above stop requests, and nothing counts here until one is
          set again.
        </p>
      )}
    </Confirm>
  );
}
