import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { path } from "../api/client";
import type { ApiKey, Delivery, One, Page, Webhook } from "../api/types";
import { Pager } from "../governance/Holds";
import { day, fromLocal, longTime } from "../lib/time";
import { At, Button, Code, Confirm, Dialog, Empty, Notice, Select, Skeleton, Text, Trouble, toast, useAction, When } from "../ui";
import { Parts, useApi } from "./App";
import { Editor } from "./Catalogue";

const parts = [
  ["keys", "API keys"],
  ["webhooks", "Webhooks"],
] as const;

export function Developers({ part }: { part: string }) {
  return (
    <div className="page stack">
      <h1>Developers</h1>
      <Parts base="/console/developers" at={part} parts={parts} label="For developers" />
      {part === "keys" && <Keys />}
      {part === "webhooks" && <Webhooks />}
    </div>
  );
}

function Keys() {
  const api = useApi();
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<ApiKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const got = useQuery({ queryKey: ["keys"], queryFn: () => api.all<ApiKey>("/api-keys") });
  return (
    <>
      <div className="row between wrap">
        <p className="muted" style={{ maxWidth: "64ch" }}>
          A full key may do everything, a runtime key checks and reports usage, a read key looks.
        </p>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setAdding(true)}>
          Create a key
        </Button>
      </div>
      {got.isPending && <Skeleton />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {got.data?.length === 0 && <Empty title="No keys beside the one the server was started with" />}
      {got.data && got.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Key</th>
                <th>Scope</th>
                <th>Created</th>
                <th>Last used</th>
                <th>Ends</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {got.data.map(k => (
                <tr key={k.id}>
                  <td className="strong break">{k.name}</td>
                  <td>
                    <code>{k.prefix}…</code>
                  </td>
                  <td>{k.scope}</td>
                  <td className="muted num">{day(k.createdAt)}</td>
                  <td className="muted">{k.lastUsedAt ? <When at={k.lastUsedAt} /> : "never"}</td>
                  <td className="muted num">
                    {k.revokedAt ? <span className="chip">revoked</span> : k.expiresAt ? day(k.expiresAt) : "never"}
                  </td>
                  <td className="right">
                    {!k.revokedAt && (
                      <Button size="small" look="quiet" onClick={() => setRevoking(k)}>
                        Revoke
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {adding && (
        <KeyForm
          onClose={() => setAdding(false)}
          onMade={k => {
            setAdding(false);
            setMade(k);
            void got.refetch();
          }}
        />
      )}
      {made && (
        <Dialog title={`Key “${made.name}”`} onClose={() => setMade(null)} foot={<Button onClick={() => setMade(null)}>Done</Button>}>
          <div className="stack">
            <Notice kind="warn">Copy it now: it is shown once and kept only as a hash.</Notice>
            <Code text={made.key ?? ""} />
          </div>
        </Dialog>
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
    </>
  );
}

function KeyForm({ onClose, onMade }: { onClose: () => void; onMade: (k: ApiKey) => void }) {
  const api = useApi();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<ApiKey["scope"]>("runtime");
  const [ends, setEnds] = useState("");
  const run = useAction();
  const save = () =>
    run.start(
      () => api.post<One<ApiKey>>("/api-keys", { name, scope, expiresAt: fromLocal(ends) }),
      got => onMade(got.data),
    );
  return (
    <Editor title="Create a key" run={run} ready={name !== ""} onSave={save} onClose={onClose}>
      <Text label="Name" value={name} onChange={setName} autoFocus placeholder="gateway, production" />
      <Select
        label="Scope"
        value={scope}
        onChange={setScope}
        options={[
          ["runtime", "Runtime: check, report, reserve"],
          ["read", "Read"],
          ["full", "Full: everything"],
        ]}
      />
      <Text label="Ends" type="datetime-local" value={ends} onChange={setEnds} hint="Left empty: never" />
    </Editor>
  );
}

const eventTypes = [
  "entity.entitlement.usage_exceeded",
  "entity.entitlement.usage_recovered",
  "credits.usage_low",
  "credits.grant.depleted",
  "credits.granted",
  "credits.expired",
  "reservation.expired",
  "entity.entitlement.created",
  "entity.entitlement.updated",
  "entity.entitlement.deleted",
  "entity.created",
  "entity.updated",
  "entity.archived",
  "entity_type.updated",
];

function Webhooks() {
  const api = useApi();
  const [open, setOpen] = useState<Webhook | null>(null);
  const [editing, setEditing] = useState<Webhook | "new" | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const got = useQuery({ queryKey: ["webhooks"], queryFn: () => api.all<Webhook>("/webhooks") });
  const shown = got.data?.find(w => w.id === open?.id);
  return (
    <>
      <div className="row between wrap">
        <p className="muted" style={{ maxWidth: "64ch" }}>
          Signed messages when a limit is reached, a pool runs low or something is changed; to your service, to Slack or by mail.
        </p>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setEditing("new")}>
          Add a webhook
        </Button>
      </div>
      {got.isPending && <Skeleton />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {got.data?.length === 0 && <Empty title="No webhooks yet">Alerts are recorded all the same; a webhook brings them to you.</Empty>}
      {got.data && got.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>To</th>
                <th>Kind</th>
                <th>About</th>
                <th>Customer</th>
                <th>State</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {got.data.map(w => (
                <tr key={w.id}>
                  <td className="break">
                    <span className="strong">{w.url}</span>
                    {w.description && <div className="small muted">{w.description}</div>}
                  </td>
                  <td className="muted">{w.kind}</td>
                  <td className="small muted">
                    {!w.eventTypes?.length ? "everything" : `${w.eventTypes.length} ${w.eventTypes.length === 1 ? "event" : "events"}`}
                  </td>
                  <td className="muted">{w.customerId ?? "all"}</td>
                  <td>{w.status === "ENABLED" ? <span className="badge ok">On</span> : <span className="badge">Off</span>}</td>
                  <td className="right">
                    <Button size="small" look="quiet" onClick={() => setOpen(w)}>
                      Open
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {shown && <Endpoint hook={shown} onEdit={() => setEditing(shown)} onSecret={setSecret} onClose={() => setOpen(null)} />}
      {editing && (
        <WebhookForm
          hook={editing === "new" ? null : editing}
          onClose={() => setEditing(null)}
          onSaved={w => {
            setEditing(null);
            if (w.secret) setSecret(w.secret);
            void got.refetch();
          }}
        />
      )}
      {secret && (
        <Dialog title="Signing secret" onClose={() => setSecret(null)} foot={<Button onClick={() => setSecret(null)}>Done</Button>}>
          <div className="stack">
            <Notice kind="warn">Copy it now: it is shown once. Verify messages with it as Standard Webhooks says.</Notice>
            <Code text={secret} />
          </div>
        </Dialog>
      )}
    </>
  );
}

function Endpoint({
  hook,
  onEdit,
  onSecret,
  onClose,
}: {
  hook: Webhook;
  onEdit: () => void;
  onSecret: (s: string) => void;
  onClose: () => void;
}) {
  const api = useApi();
  const client = useQueryClient();
  const [cursors, setCursors] = useState([""]);
  const [asking, setAsking] = useState<"rotate" | "delete" | null>(null);
  const act = useAction();
  const after = cursors.at(-1) ?? "";
  const target = path`/webhooks/${hook.id}`;
  const got = useQuery({
    queryKey: ["deliveries", hook.id, after],
    queryFn: () => api.get<Page<Delivery>>(`${target}/deliveries`, { limit: 20, after }),
    refetchInterval: 4000,
  });
  const refresh = () => void client.invalidateQueries({ predicate: q => q.queryKey[0] === "webhooks" || q.queryKey[0] === "deliveries" });
  return (
    <Dialog title={hook.url} kind="wide" onClose={onClose}>
      <div className="stack">
        <div className="row wrap">
          <Button
            size="small"
            busy={act.busy}
            onClick={() =>
              act.start(
                () => api.post(`${target}/test`),
                () => {
                  toast("Test message on its way");
                  refresh();
                },
              )
            }
          >
            Send a test
          </Button>
          <Button size="small" onClick={onEdit}>
            Edit
          </Button>
          <Button
            size="small"
            onClick={() =>
              act.start(
                () => api.patch(target, { status: hook.status === "ENABLED" ? "DISABLED" : "ENABLED" }),
                () => {
                  toast(hook.status === "ENABLED" ? "Turned off" : "Turned on");
                  refresh();
                },
              )
            }
          >
            {hook.status === "ENABLED" ? "Turn off" : "Turn on"}
          </Button>
          {hook.kind === "webhook" && (
            <Button size="small" onClick={() => setAsking("rotate")}>
              New secret
            </Button>
          )}
          <Button size="small" look="danger" onClick={() => setAsking("delete")}>
            Delete
          </Button>
        </div>
        {act.error !== null && <Trouble error={act.error} />}
        <p className="small muted break">{hook.eventTypes?.length ? hook.eventTypes.join(", ") : "All events"}</p>
        <h3>Deliveries</h3>
        {got.isPending && <Skeleton />}
        {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
        {got.data?.data.length === 0 && <Empty title="Nothing was sent yet" />}
        {got.data && got.data.data.length > 0 && (
          <div className="panel table-wrap" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th>Time</th>
                  <th>Event</th>
                  <th>State</th>
                  <th className="right">Tries</th>
                  <th>Answer</th>
                  <th>
                    <span className="hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {got.data.data.map(d => (
                  <tr key={d.id}>
                    <td className="muted" title={d.messageId}>
                      <At at={d.createdAt} />
                    </td>
                    <td className="small break">{d.eventType}</td>
                    <td>
                      <span className={`badge ${{ SUCCEEDED: "ok", FAILED: "blocked", PENDING: "near" }[d.status]}`}>
                        {d.status.toLowerCase()}
                      </span>
                    </td>
                    <td className="right num">{d.attempts}</td>
                    <td className="small muted break">
                      {d.responseStatus ?? d.error ?? "–"}
                      {d.status === "PENDING" && d.nextAttemptAt && (
                        <span title={longTime(d.nextAttemptAt)}>
                          {" "}
                          next <When at={d.nextAttemptAt} future />
                        </span>
                      )}
                    </td>
                    <td className="right">
                      <Button
                        size="small"
                        look="quiet"
                        disabled={d.status === "PENDING"}
                        onClick={() =>
                          act.start(
                            () => api.post(`${target}/deliveries/${encodeURIComponent(d.id)}/redeliver`),
                            () => {
                              toast("Sent again");
                              refresh();
                            },
                          )
                        }
                      >
                        Send again
                      </Button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
      </div>
      {asking === "rotate" && (
        <Confirm
          title="Make a new secret?"
          action="Make a new secret"
          onClose={() => setAsking(null)}
          onConfirm={async () => {
            const w = await api.post<One<Webhook>>(`${target}/rotate-secret`);
            if (w.data.secret) onSecret(w.data.secret);
          }}
        >
          <p>The old one goes on signing beside the new one for 24 hours.</p>
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title="Delete this webhook?"
          action="Delete"
          danger
          onClose={() => setAsking(null)}
          onConfirm={async () => {
            await api.delete(target);
            toast("Webhook deleted");
            refresh();
            onClose();
          }}
        >
          <p>Messages that wait for it are not sent any more.</p>
        </Confirm>
      )}
    </Dialog>
  );
}

function WebhookForm({ hook, onClose, onSaved }: { hook: Webhook | null; onClose: () => void; onSaved: (w: Webhook) => void }) {
  const api = useApi();
  const [kind, setKind] = useState<Webhook["kind"]>(hook?.kind ?? "webhook");
  const [url, setUrl] = useState(hook?.url ?? "");
  const [description, setDescription] = useState(hook?.description ?? "");
  const [customer, setCustomer] = useState(hook?.customerId ?? "");
  const [types, setTypes] = useState<string[]>(hook?.eventTypes ?? []);
  const run = useAction();
  const save = () =>
    run.start(
      () =>
        hook
          ? api.patch<One<Webhook>>(path`/webhooks/${hook.id}`, { url, description, customerId: customer || null, eventTypes: types })
          : api.post<One<Webhook>>("/webhooks", {
              url,
              ...(kind === "webhook" ? {} : { kind }),
              ...(description ? { description } : {}),
              ...(customer ? { customerId: customer } : {}),
              ...(types.length ? { eventTypes: types } : {}),
            }),
      got => onSaved(got.data),
    );
  return (
    <Editor title={hook ? "Edit the webhook" : "Add a webhook"} run={run} ready={url !== ""} onSave={save} onClose={onClose} wide>
      {!hook && (
        <Select
          label="Kind"
          value={kind}
          onChange={setKind}
          options={[
            ["webhook", "Signed webhook"],
            ["slack", "Slack"],
            ["email", "Mail"],
          ]}
        />
      )}
      <Text
        label={kind === "email" ? "To" : "URL"}
        value={url}
        onChange={setUrl}
        autoFocus
        placeholder={
          kind === "email" ? "mailto:finance@example.com" : kind === "slack" ? "https://hooks.slack.com/…" : "https://example.com/bursar"
        }
      />
      <Text label="Description" value={description} onChange={setDescription} />
      <Text label="Only of customer" value={customer} onChange={setCustomer} placeholder="all" />
      <fieldset className="wide plain">
        <legend className="small strong">Events (none chosen: all)</legend>
        <div className="choices">
          {eventTypes.map(t => (
            <label key={t} className="check small">
              <input
                type="checkbox"
                checked={types.includes(t)}
                onChange={e => setTypes(e.target.checked ? [...types, t] : types.filter(x => x !== t))}
              />
              <span className="break">{t}</span>
            </label>
          ))}
        </div>
      </fieldset>
    </Editor>
  );
}
