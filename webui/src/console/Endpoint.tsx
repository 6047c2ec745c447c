import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { path } from "../api/client";
import type { Delivery, One, Page, Webhook } from "../api/types";
import { Pager } from "../governance/Holds";
import { longTime } from "../lib/time";
import { At, Badge, Button, Confirm, Dialog, Empty, Reading, Trouble, toast, useAction, When } from "../ui";
import { RowButton, Table } from "../ui/List";
import { useApi } from "./session";

type EndpointProps = { hook: Webhook; onEdit: () => void; onSecret: (s: string) => void; onClose: () => void };

/** One webhook: what it was sent, and what can be done with it. */
export function Endpoint({ hook, onEdit, onSecret, onClose }: EndpointProps) {
  const api = useApi();
  const client = useQueryClient();
  const [asking, setAsking] = useState<"rotate" | "delete" | null>(null);
  const act = useAction();
  const target = path`/webhooks/${hook.id}`;
  const on = hook.status === "ENABLED";
  const start = (write: () => Promise<unknown>, said: string) =>
    act.start(write, () => {
      toast(said);
      void client.invalidateQueries();
    });
  return (
    <Dialog title={hook.url} kind="wide" onClose={onClose}>
      <div className="stack">
        <div className="row wrap">
          <Button size="small" busy={act.busy} onClick={() => start(() => api.post(`${target}/test`), "Test message on its way")}>
            Send a test
          </Button>
          <Button size="small" onClick={onEdit}>
            Edit
          </Button>
          <Button
            size="small"
            onClick={() => start(() => api.patch(target, { status: on ? "DISABLED" : "ENABLED" }), on ? "Turned off" : "Turned on")}
          >
            {on ? "Turn off" : "Turn on"}
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
        <Deliveries target={target} onResend={id => start(() => api.post(target + path`/deliveries/${id}/redeliver`), "Sent again")} />
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
            void client.invalidateQueries();
            onClose();
          }}
        >
          <p>Messages that wait for it are not sent any more.</p>
        </Confirm>
      )}
    </Dialog>
  );
}

function Deliveries({ target, onResend }: { target: string; onResend: (id: string) => void }) {
  const api = useApi();
  const [cursors, setCursors] = useState([""]);
  const after = cursors.at(-1) ?? "";
  const got = useQuery({
    queryKey: ["deliveries", target, after],
    queryFn: () => api.get<Page<Delivery>>(`${target}/deliveries`, { limit: 20, after }),
    refetchInterval: 4000,
  });
  return (
    <>
      <Reading got={got} />
      {got.data?.data.length === 0 && <Empty title="Nothing was sent yet" />}
      {got.data && got.data.data.length > 0 && (
        <Table
          look="panel"
          rows={got.data.data}
          id={d => d.id}
          columns={[
            {
              head: "Time",
              look: "muted",
              cell: d => (
                <span title={d.messageId}>
                  <At at={d.createdAt} />
                </span>
              ),
            },
            { head: "Event", look: "small break", cell: d => d.eventType },
            { head: "State", cell: d => <Badge of="delivery" status={d.status} /> },
            { head: "Tries", look: "right num", cell: d => d.attempts },
            {
              head: "Answer",
              look: "small muted break",
              cell: d => (
                <>
                  {d.responseStatus ?? d.error ?? "–"}
                  {d.status === "PENDING" && d.nextAttemptAt && (
                    <span title={longTime(d.nextAttemptAt)}>
                      {" "}
                      next <When at={d.nextAttemptAt} future />
                    </span>
                  )}
                </>
              ),
            },
          ]}
          actions={d => <RowButton onClick={() => onResend(d.id)}>{d.status === "PENDING" ? "Send now" : "Send again"}</RowButton>}
        />
      )}
      <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
    </>
  );
}
