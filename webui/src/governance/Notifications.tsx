import { useQuery, useQueryClient } from "@tanstack/react-query";
import { History, Pencil, Plus, Send, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Notification, NotificationDelivery, Page } from "../api/types";
import { longTime } from "../lib/time";
import { At, Button, Checkbox, Confirm, Dialog, Empty, Reading, Text, Trouble, toast, useAction, When } from "../ui";
import { FormDialog } from "../ui/FormDialog";
import { RowButton, Table } from "../ui/List";
import { EntityPicker } from "./EntityPicker";
import { Pager } from "./Holds";
import { useNames } from "./names";
import {
  deleteNotification,
  eventWords,
  percentsOf,
  putNotification,
  readNotifications,
  recipientsOf,
  stateWords,
  targetOf,
  toldOf,
  troubleOf,
} from "./notifications";
import { useSession } from "./session";

type Shown = { kind: "edit" | "sent" | "end"; of: Notification } | { kind: "new" } | null;

/** Who hears of what happens to limits, by mail and Slack. */
export default function Notifications() {
  const s = useSession();
  const [shown, setShown] = useState<Shown>(null);
  const got = useQuery({ queryKey: ["notifications", s.customerId], queryFn: () => readNotifications(s) });
  const nameOf = useNames((got.data ?? []).flatMap(n => n.entityId ?? []));
  const close = () => setShown(null);
  return (
    <div className="stack">
      <div className="row between wrap">
        <div>
          <h2>Notifications</h2>
          <p className="muted about">Who hears by mail or in Slack when a limit fills up, stops a request, or is asked to be raised.</p>
        </div>
        {s.canEdit && (
          <Button look="primary" icon={<Plus size={15} />} onClick={() => setShown({ kind: "new" })}>
            New notification
          </Button>
        )}
      </div>
      <Reading got={got} lines={4} />
      {got.data?.length === 0 && (
        <Empty title="Nobody is told yet">
          <p>Say who hears of which budgets, and of what.</p>
        </Empty>
      )}
      {got.data?.map(n => (
        <Card
          key={n.id}
          of={n}
          where={n.entityId === null ? "The whole customer" : nameOf(n.entityId)}
          onShow={kind => setShown({ kind, of: n })}
        />
      ))}
      {shown?.kind === "new" && <NotificationForm of={null} onClose={close} />}
      {shown?.kind === "edit" && <NotificationForm of={shown.of} onClose={close} />}
      {shown?.kind === "sent" && <Sent of={shown.of} onClose={close} />}
      {shown?.kind === "end" && <End of={shown.of} onClose={close} />}
    </div>
  );
}

type CardProps = { of: Notification; where: string; onShow: (kind: "edit" | "sent" | "end") => void };

function Card({ of, where, onShow }: CardProps) {
  const s = useSession();
  const test = useAction();
  const client = useQueryClient();
  return (
    <section className="limit" aria-label={of.name}>
      <div className="row wrap">
        <h3 className="break">{of.name}</h3>
        <span className="chip ellipsis">{where}</span>
      </div>
      <p className="break">Tells of {toldOf(of)}</p>
      <p className="small muted break">{[...of.emails, ...of.slackUrls].join(", ")}</p>
      <div className="row wrap">
        <Button size="small" icon={<History size={14} />} aria-label={`What ${of.name} has sent`} onClick={() => onShow("sent")}>
          Sent
        </Button>
        {s.canEdit && (
          <>
            <Button
              size="small"
              icon={<Send size={14} />}
              aria-label={`Send a test of ${of.name}`}
              busy={test.busy}
              onClick={() =>
                test.start(
                  () => s.api.post(`${targetOf(s, of)}/test`),
                  () => {
                    toast("Test message on its way");
                    void client.invalidateQueries({ queryKey: ["notified"] });
                  },
                )
              }
            >
              Send a test
            </Button>
            <Button size="small" icon={<Pencil size={14} />} aria-label={`Edit ${of.name}`} onClick={() => onShow("edit")}>
              Edit
            </Button>
            <Button
              size="small"
              look="quiet"
              className="danger"
              icon={<Trash2 size={14} />}
              aria-label={`Delete ${of.name}`}
              onClick={() => onShow("end")}
            >
              Delete
            </Button>
          </>
        )}
      </div>
      {test.error !== null && <Trouble error={test.error} />}
    </section>
  );
}

/** Makes a notification, or changes who hears and of what. */
function NotificationForm({ of, onClose }: { of: Notification | null; onClose: () => void }) {
  const s = useSession();
  const [entityId, setEntityId] = useState(of ? of.entityId : s.rights.root);
  const [name, setName] = useState(of?.name ?? "");
  const [to, setTo] = useState(of ? [...of.emails, ...of.slackUrls].join(", ") : "");
  const [at, setAt] = useState(of ? of.thresholds.join(", ") : "80, 100");
  const [denials, setDenials] = useState(of?.denials ?? true);
  const [boostRequests, setBoostRequests] = useState(of?.boostRequests ?? true);
  const nameOf = useNames(entityId === null ? [] : [entityId]);
  const recipients = recipientsOf(to);
  const n = recipients.emails.length + recipients.slackUrls.length;
  const thresholds = percentsOf(at);
  const told = thresholds !== null && (thresholds.length > 0 || denials || boostRequests);
  return (
    <FormDialog
      title={of ? `Change ${of.name}` : "New notification"}
      action={of ? "Save" : "Create"}
      ready={name.trim() !== "" && n > 0 && n <= 10 && told}
      save={() =>
        putNotification(s, {
          ...(of && { id: of.id }),
          entityId,
          name: name.trim(),
          ...recipients,
          thresholds: thresholds ?? [],
          denials,
          boostRequests,
        })
      }
      said="Saved. Send a test to see that it arrives"
      onClose={onClose}
    >
      {!of && (
        <Text
          label="Name"
          value={name}
          onChange={setName}
          placeholder="Engineering budgets"
          hint="Its messages are headed with it"
          autoFocus
        />
      )}
      <div className="stack tight wide">
        <p>
          <span className="muted">Tells of the limits of </span>
          <span className="strong break">{entityId === null ? "the whole customer" : `${nameOf(entityId)} and all below`}</span>
        </p>
        {!of && <EntityPicker label="Only of a part" hint="And of all below it" onPick={e => setEntityId(e.id)} />}
        {!of && entityId !== s.rights.root && (
          <div>
            <Button size="small" onClick={() => setEntityId(s.rights.root)}>
              Of all instead
            </Button>
          </div>
        )}
      </div>
      <Text
        label="Who hears of it"
        value={to}
        onChange={setTo}
        placeholder="ann@example.com, https://hooks.slack.com/…"
        hint="Addresses of mail and incoming webhooks of Slack, up to ten. Of a webhook only the host is shown"
        problem={n > 10 ? "At most ten" : null}
        wide
      />
      <Text
        label="When a limit is at percent"
        value={at}
        onChange={setAt}
        placeholder="never"
        hint="Each is told of once in a period"
        problem={thresholds === null ? "Up to ten whole percentages from 1 to 1000" : null}
      />
      <div className="stack tight">
        <Checkbox checked={denials} onChange={setDenials}>
          When it stops a request, for the first time in a period
        </Checkbox>
        <Checkbox checked={boostRequests} onChange={setBoostRequests}>
          When somebody asks for more, and what was decided
        </Checkbox>
      </div>
    </FormDialog>
  );
}

const looks: Record<NotificationDelivery["status"], string> = { SUCCEEDED: "ok", FAILED: "blocked", PENDING: "near" };

/** What a notification has sent, to whom and with what outcome. */
function Sent({ of, onClose }: { of: Notification; onClose: () => void }) {
  const s = useSession();
  const client = useQueryClient();
  const again = useAction();
  const [cursors, setCursors] = useState([""]);
  const after = cursors.at(-1) ?? "";
  const target = targetOf(s, of);
  const got = useQuery({
    queryKey: ["notified", target, after],
    queryFn: () => s.api.get<Page<NotificationDelivery>>(`${target}/deliveries`, { limit: 20, after }),
    refetchInterval: 4000,
  });
  return (
    <Dialog title={`Sent by ${of.name}`} kind="wide" onClose={onClose} foot={<Button onClick={onClose}>Close</Button>}>
      <div className="stack">
        <Reading got={got} />
        {again.error !== null && <Trouble error={again.error} />}
        {got.data?.data.length === 0 && <Empty title="Nothing was sent yet" />}
        {got.data && got.data.data.length > 0 && (
          <Table
            look="panel"
            rows={got.data.data}
            id={d => d.id}
            columns={[
              { head: "Time", look: "muted", cell: d => <At at={d.createdAt} /> },
              { head: "What", look: "small", cell: d => eventWords[d.eventType] ?? d.eventType },
              { head: "To", look: "small break", cell: d => d.recipient },
              {
                head: "State",
                cell: d => (
                  <>
                    <span className={`badge ${looks[d.status]}`}>{stateWords[d.status]}</span>
                    <span className="small muted break">
                      {" "}
                      {troubleOf(d)}
                      {d.status === "PENDING" && d.attempts > 0 && d.nextAttemptAt && (
                        <span title={longTime(d.nextAttemptAt)}>
                          {" "}
                          next <When at={d.nextAttemptAt} future />
                        </span>
                      )}
                    </span>
                  </>
                ),
              },
            ]}
            actions={
              s.canEdit
                ? d =>
                    d.status === "FAILED" && (
                      <RowButton
                        onClick={() =>
                          again.start(
                            () => s.api.post(`${target}/deliveries/${encodeURIComponent(d.id)}/redeliver`),
                            () => void client.invalidateQueries({ queryKey: ["notified"] }),
                          )
                        }
                      >
                        Send again
                      </RowButton>
                    )
                : undefined
            }
          />
        )}
        <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
      </div>
    </Dialog>
  );
}

function End({ of, onClose }: { of: Notification; onClose: () => void }) {
  const s = useSession();
  const client = useQueryClient();
  return (
    <Confirm
      title={`Delete ${of.name}?`}
      action="Delete"
      danger
      onClose={onClose}
      onConfirm={async () => {
        await deleteNotification(s, of);
        toast("Notification deleted");
        void client.invalidateQueries({ queryKey: ["notifications"] });
      }}
    >
      <p>Its recipients hear of nothing new; messages that wait are still sent. Links that it has sent do not count any more.</p>
    </Confirm>
  );
}
