import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { path } from "../api/client";
import type { ApiKey, One } from "../api/types";
import { day, fromLocal } from "../lib/time";
import { Button, Code, Confirm, Dialog, Notice, Select, Text, toast, When } from "../ui";
import { FormDialog, useFields } from "../ui/FormDialog";
import { List, RowButton } from "../ui/List";
import { useApi } from "./session";

export function Keys() {
  const api = useApi();
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<ApiKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const got = useQuery({ queryKey: ["keys"], queryFn: () => api.all<ApiKey>("/api-keys") });
  return (
    <List
      about="A full key may do everything, a runtime key checks and reports usage, a read key looks."
      add="Create a key"
      onAdd={() => setAdding(true)}
      got={got}
      none={{ title: "No keys beside the one the server was started with" }}
      columns={[
        { head: "Name", look: "strong break", cell: k => k.name },
        { head: "Key", cell: k => <code>{k.prefix}…</code> },
        { head: "Scope", cell: k => k.scope },
        { head: "Created", look: "muted num", cell: k => day(k.createdAt) },
        { head: "Last used", look: "muted", cell: k => (k.lastUsedAt ? <When at={k.lastUsedAt} /> : "never") },
        {
          head: "Ends",
          look: "muted num",
          cell: k => (k.revokedAt ? <span className="chip">revoked</span> : k.expiresAt ? day(k.expiresAt) : "never"),
        },
      ]}
      actions={k => !k.revokedAt && <RowButton onClick={() => setRevoking(k)}>Revoke</RowButton>}
    >
      {adding && <KeyForm onClose={() => setAdding(false)} onMade={setMade} />}
      {made && (
        <Shown title={`Key “${made.name}”`} text={made.key ?? ""} onClose={() => setMade(null)}>
          Copy it now: it is shown once and kept only as a hash.
        </Shown>
      )}
      {revoking && (
        <Confirm
          title={`Revoke “${revoking.name}”?`}
          action="Revoke"
          danger
          onClose={() => setRevoking(null)}
          onConfirm={async () => {
            await api.delete(path`/api-keys/${revoking.id}`);
            toast(`${revoking.name} revoked`);
            void got.refetch();
          }}
        >
          <p>Requests with it are refused within a second. This cannot be undone.</p>
        </Confirm>
      )}
    </List>
  );
}

function KeyForm({ onClose, onMade }: { onClose: () => void; onMade: (k: ApiKey) => void }) {
  const api = useApi();
  const { values, bind } = useFields({ name: "", scope: "runtime" as ApiKey["scope"], ends: "" });
  const { name, scope, ends } = values;
  return (
    <FormDialog
      title="Create a key"
      ready={name !== ""}
      save={() => api.post<One<ApiKey>>("/api-keys", { name, scope, expiresAt: fromLocal(ends) })}
      onSaved={got => onMade(got.data)}
      onClose={onClose}
    >
      <Text label="Name" {...bind("name")} autoFocus placeholder="gateway, production" />
      <Select
        label="Scope"
        {...bind("scope")}
        options={[
          ["runtime", "Runtime: check, report, reserve"],
          ["read", "Read"],
          ["full", "Full: everything"],
        ]}
      />
      <Text label="Ends" type="datetime-local" {...bind("ends")} hint="Left empty: never" />
    </FormDialog>
  );
}

/** A secret that is shown once. */
export function Shown({ title, text, onClose, children }: { title: string; text: string; onClose: () => void; children: string }) {
  return (
    <Dialog title={title} onClose={onClose} foot={<Button onClick={onClose}>Done</Button>}>
      <div className="stack">
        <Notice kind="warn">{children}</Notice>
        <Code text={text} />
      </div>
    </Dialog>
  );
}
