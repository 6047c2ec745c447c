import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { path } from "../api/client";
import type { One, Webhook } from "../api/types";
import { Badge, Select, Text } from "../ui";
import { FormDialog, useFields } from "../ui/FormDialog";
import { List, RowButton } from "../ui/List";
import { Endpoint } from "./Endpoint";
import { Shown } from "./Keys";
import { useApi } from "./session";

const eventTypes = [
  "entity.entitlement.usage_exceeded",
  "entity.entitlement.usage_recovered",
  "credits.usage_low",
  "credits.grant.depleted",
  "credits.granted",
  "credits.expired",
  "credit_balance.low",
  "credit_balance.depleted",
  "credit_grant.balance.low",
  "reservation.expired",
  "boost_request.created",
  "boost_request.approved",
  "boost_request.declined",
  "entity.entitlement.created",
  "entity.entitlement.updated",
  "entity.entitlement.deleted",
  "entity.created",
  "entity.updated",
  "entity.archived",
  "entity.frozen",
  "entity.thawed",
  "customer.frozen",
  "customer.thawed",
  "entity_type.updated",
];

export function Webhooks() {
  const api = useApi();
  const [open, setOpen] = useState<Webhook | null>(null);
  const [editing, setEditing] = useState<Webhook | "new" | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const got = useQuery({ queryKey: ["webhooks"], queryFn: () => api.all<Webhook>("/webhooks") });
  const shown = got.data?.find(w => w.id === open?.id);
  return (
    <List
      about="Signed messages when a limit is reached, a pool runs low or something is changed; to your service, to Slack or by mail."
      add="Add a webhook"
      onAdd={() => setEditing("new")}
      got={got}
      none={{ title: "No webhooks yet", text: "Alerts are recorded all the same; a webhook brings them to you." }}
      columns={[
        {
          head: "To",
          look: "break",
          cell: w => (
            <>
              <span className="strong">{w.url}</span>
              {w.description && <div className="small muted">{w.description}</div>}
            </>
          ),
        },
        { head: "Kind", look: "muted", cell: w => w.kind },
        {
          head: "Events",
          look: "muted nowrap",
          cell: w => <span title={w.eventTypes?.join(", ")}>{w.eventTypes?.length ? `${w.eventTypes.length} types` : "all"}</span>,
        },
        { head: "Customer", look: "muted", cell: w => w.customerId ?? "all" },
        { head: "State", cell: w => <Badge of="webhook" status={w.status} /> },
      ]}
      actions={w => <RowButton onClick={() => setOpen(w)}>Open</RowButton>}
    >
      {shown && <Endpoint hook={shown} onEdit={() => setEditing(shown)} onSecret={setSecret} onClose={() => setOpen(null)} />}
      {editing && (
        <WebhookForm
          hook={editing === "new" ? null : editing}
          onClose={() => setEditing(null)}
          onSaved={w => w.secret && setSecret(w.secret)}
        />
      )}
      {secret && (
        <Shown title="Signing secret" text={secret} onClose={() => setSecret(null)}>
          Copy it now: it is shown once. Verify messages with it as Standard Webhooks says.
        </Shown>
      )}
    </List>
  );
}

const targets: Record<Webhook["kind"], [string, string]> = {
  webhook: ["URL", "https://example.com/bursar"],
  slack: ["URL", "https://hooks.slack.com/…"],
  email: ["To", "mailto:finance@example.com"],
};

function WebhookForm({ hook, onClose, onSaved }: { hook: Webhook | null; onClose: () => void; onSaved: (w: Webhook) => void }) {
  const api = useApi();
  const { values, bind, set } = useFields({
    kind: hook?.kind ?? ("webhook" as Webhook["kind"]),
    url: hook?.url ?? "",
    description: hook?.description ?? "",
    customerId: hook?.customerId ?? "",
    eventTypes: hook?.eventTypes ?? [],
  });
  const { kind, url, description, customerId, eventTypes: types } = values;
  const [label, placeholder] = targets[kind];
  return (
    <FormDialog
      title={hook ? "Edit the webhook" : "Add a webhook"}
      ready={url !== ""}
      base={hook ?? undefined}
      save={ifMatch => {
        const body = { url, description: description || null, customerId: customerId || null, eventTypes: types.length ? types : null };
        return hook
          ? api.patch<One<Webhook>>(path`/webhooks/${hook.id}`, body, ifMatch)
          : api.post<One<Webhook>>("/webhooks", { ...body, kind });
      }}
      onSaved={got => onSaved(got.data)}
      onClose={onClose}
      wide
    >
      {!hook && (
        <Select
          label="Kind"
          {...bind("kind")}
          options={[
            ["webhook", "Signed webhook"],
            ["slack", "Slack"],
            ["email", "Mail"],
          ]}
        />
      )}
      <Text label={label} {...bind("url")} autoFocus placeholder={placeholder} />
      <Text label="Description" {...bind("description")} />
      <Text label="Only of customer" {...bind("customerId")} placeholder="all" />
      <fieldset className="wide plain">
        <legend className="small strong">Events (none chosen: all)</legend>
        <div className="choices">
          {eventTypes.map(t => (
            <label key={t} className="check small">
              <input
                type="checkbox"
                checked={types.includes(t)}
                onChange={e => set({ eventTypes: e.target.checked ? [...types, t] : types.filter(x => x !== t) })}
              />
              <span className="break">{t}</span>
            </label>
          ))}
        </div>
      </fieldset>
    </FormDialog>
  );
}
