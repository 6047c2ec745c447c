import { ListPlus } from "lucide-react";
import { useState } from "react";
import { path } from "../api/client";
import { Button, Dialog, Notice, Select, Text, Trouble, useAction } from "../ui";
import { EntityPicker } from "./EntityPicker";
import { useNames } from "./names";
import { slug } from "./people";
import { useSession } from "./session";

/** Adds an entity below another, or at the top. */
export default function NewEntity({ parentId, onMany, onClose }: { parentId: string | null; onMany?: () => void; onClose: () => void }) {
  const s = useSession();
  const types = [...s.types.values()].filter(t => t.archivedAt === null);
  const [below, setBelow] = useState(parentId);
  const [type, setType] = useState(types[0]?.id ?? "");
  const [name, setName] = useState("");
  const [id, setId] = useState("");
  const run = useAction();
  const nameOf = useNames(below ? [below] : []);
  const own = id || slug(name);
  const save = () =>
    run.start(async () => {
      await s.api.put(path`/customers/${s.customerId}/entities`, {
        entities: [{ id: own, entityTypeId: type, displayName: name || null, parentId: below }],
      });
      const undo = () => s.api.post(path`/customers/${s.customerId}/entities/archive`, { ids: [own] });
      s.wrote({ text: `${name || own} added`, entityIds: null, undo });
    }, onClose);
  return (
    <Dialog
      title={below ? `Add below ${nameOf(below)}` : "Add at the top"}
      onClose={onClose}
      foot={
        <>
          {onMany && (
            <Button look="quiet" className="start" icon={<ListPlus size={15} />} onClick={onMany}>
              Several at once
            </Button>
          )}
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} disabled={own === "" || type === ""} onClick={save}>
            Add
          </Button>
        </>
      }
    >
      <div className="stack" data-draft>
        {types.length === 0 && <Notice kind="warn">There is no entity type yet. They are made in the catalogue.</Notice>}
        <div className="fields">
          <Text label="Name" value={name} onChange={setName} autoFocus />
          <Text
            label="Id"
            value={id}
            onChange={setId}
            placeholder={own || "as your product calls it"}
            hint="Usage names it by this id; it cannot be changed"
          />
          <Select label="Type" value={type} onChange={setType} options={types.map(t => [t.id, t.displayName] as const)} />
        </div>
        {parentId === null && (
          <div className="row wrap" style={{ alignItems: "flex-end" }}>
            <div className="grow">
              <EntityPicker label="Below (optional)" onPick={e => setBelow(e.id)} />
            </div>
            {below && <Button onClick={() => setBelow(null)}>At the top</Button>}
          </div>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}
