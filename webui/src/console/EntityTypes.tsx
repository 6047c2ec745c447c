import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { EntityType, Ungoverned } from "../api/types";
import { Confirm, Text, toast } from "../ui";
import { FormDialog, useFields } from "../ui/FormDialog";
import { List, RowButton } from "../ui/List";
import { useApi } from "./session";
import { Everywhere, UngovernedSelect, ungovernedWords } from "./Ungoverned";

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);

export function EntityTypes() {
  const api = useApi();
  const [editing, setEditing] = useState<EntityType | "new" | null>(null);
  const [archiving, setArchiving] = useState<EntityType | null>(null);
  const got = useQuery({ queryKey: ["types"], queryFn: () => api.all<EntityType>("/entity-types") });
  return (
    <List
      about={
        <>
          The levels of your customers' trees. A request names an entity by an attribution key: <code>{"{agentId: “agent-7”}"}</code> is
          counted on that agent and all above it.
        </>
      }
      add="Add a type"
      onAdd={() => setEditing("new")}
      got={got}
      none={{ title: "No entity types yet", text: "Such as organisation, team, user, agent." }}
      columns={[
        { head: "Name", look: "strong break", cell: t => t.displayName },
        { head: "Id", cell: t => <code>{t.id}</code> },
        { head: "Attribution keys", cell: t => (t.attributionKeys.length ? <code>{t.attributionKeys.join(", ")}</code> : "none") },
        {
          head: "Use without a limit",
          cell: t => (t.ungoverned ? ungovernedWords[t.ungoverned] : <span className="muted">as everywhere</span>),
        },
        { head: "Description", look: "muted break", cell: t => t.description ?? "–" },
      ]}
      actions={t => (
        <>
          <RowButton onClick={() => setEditing(t)}>Edit</RowButton>
          <RowButton onClick={() => setArchiving(t)}>Archive</RowButton>
        </>
      )}
    >
      <Everywhere />
      {editing && <TypeForm type={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {archiving && (
        <Confirm
          title={`Archive ${archiving.displayName}?`}
          action="Archive"
          danger
          onClose={() => setArchiving(null)}
          onConfirm={async () => {
            await api.post("/entity-types/archive", { ids: [archiving.id] });
            toast(`${archiving.displayName} archived`);
            void got.refetch();
          }}
        >
          <p>Its attribution keys name nothing any more. A type of which any customer has entities cannot be archived.</p>
        </Confirm>
      )}
    </List>
  );
}

function TypeForm({ type, onClose }: { type: EntityType | null; onClose: () => void }) {
  const api = useApi();
  const { values, bind } = useFields({
    id: type?.id ?? "",
    displayName: type?.displayName ?? "",
    keys: type?.attributionKeys.join(", ") ?? "",
    description: type?.description ?? "",
    ungoverned: (type?.ungoverned ?? "") as Ungoverned | "",
  });
  const { keys, ungoverned, ...rest } = values;
  const put = { ...rest, attributionKeys: words(keys), ungoverned: ungoverned || null };
  return (
    <FormDialog
      title={type ? `Edit ${type.displayName}` : "Add an entity type"}
      ready={values.id !== "" && values.displayName !== ""}
      base={type ?? undefined}
      save={ifMatch => api.put("/entity-types", { types: [{ ...put, ifMatch: ifMatch ?? "none" }] })}
      said={`${values.displayName} saved`}
      onClose={onClose}
    >
      {!type && <Text label="Id" {...bind("id")} autoFocus placeholder="agent" />}
      <Text label="Name" {...bind("displayName")} placeholder="Agent" />
      <Text
        wide
        label="Attribution keys"
        {...bind("keys")}
        placeholder="agentId"
        problem={words(keys).length > 2 ? "At most two" : null}
        hint="Up to two dimensions whose value is an entity's id. Changes apply to what comes, not to what was."
      />
      <Text wide label="Description" {...bind("description")} />
      <UngovernedSelect {...bind("ungoverned")} was={type?.ungoverned ?? ""} />
    </FormDialog>
  );
}
