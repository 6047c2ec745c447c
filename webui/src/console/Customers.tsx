import { useInfiniteQuery } from "@tanstack/react-query";
import { Plus, Search } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import type { Customer, Page } from "../api/types";
import { day } from "../lib/time";
import { Button, Checkbox, Code, Empty, Reading, Text, useSettled } from "../ui";
import { FormDialog, useFields } from "../ui/FormDialog";
import { Table } from "../ui/List";
import { useApi } from "./session";

export function Customers() {
  const api = useApi();
  const [text, setText] = useState("");
  const [archived, setArchived] = useState(false);
  const [adding, setAdding] = useState(false);
  const search = useSettled(text.trim());
  const list = useInfiniteQuery({
    queryKey: ["customers", search, archived],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      api.get<Page<Customer>>("/customers", { search, includeArchived: archived || undefined, limit: 50, after: pageParam }, signal),
    getNextPageParam: p => p.pagination.next ?? undefined,
  });
  const rows = list.data?.pages.flatMap(p => p.data) ?? [];
  return (
    <div className="page stack">
      <div className="row between wrap">
        <h1>Customers</h1>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setAdding(true)}>
          Add a customer
        </Button>
      </div>
      <div className="row wrap">
        <label className="searchbox" style={{ flex: "0 1 320px" }}>
          <span className="hidden">Find by name, id or email</span>
          <Search size={15} aria-hidden />
          <input className="input" type="search" placeholder="Name, id or email" value={text} onChange={e => setText(e.target.value)} />
        </label>
        <Checkbox checked={archived} onChange={setArchived}>
          Archived, too
        </Checkbox>
      </div>
      <Reading got={list} lines={6} />
      {list.data && rows.length === 0 && search === "" && (
        <Empty title="No customers yet">
          <p>Each of your customers has its own tree of budgets and its own pool of credits. Your backend adds them as they sign up:</p>
          <Code
            text={`curl -X POST -H "X-API-KEY: $BURSAR_ADMIN_KEY" -H 'Content-Type: application/json' \\\n  ${location.origin}/api/v1/customers -d '{"id":"acme","name":"Acme Corp"}'`}
          />
        </Empty>
      )}
      {list.data && rows.length === 0 && search !== "" && <Empty title={`No customer’s name, id or email has “${search}” in it`} />}
      {rows.length > 0 && (
        <Table
          look="panel"
          rows={rows}
          id={c => c.id}
          columns={[
            {
              head: "Name",
              look: "strong break",
              by: c => c.name ?? c.id,
              cell: c => (
                <>
                  <Link href={`/console/customers/${encodeURIComponent(c.id)}`}>{c.name ?? c.id}</Link>{" "}
                  {c.archivedAt && <span className="chip">archived</span>}
                </>
              ),
            },
            { head: "Id", look: "break", by: c => c.id, cell: c => <code>{c.id}</code> },
            { head: "Email", look: "muted break", by: c => c.email, cell: c => c.email ?? "–" },
            { head: "Time zone", look: "muted", cell: c => c.timezone ?? "UTC" },
            { head: "Since", look: "muted num", by: c => c.createdAt, cell: c => day(c.createdAt) },
          ]}
        />
      )}
      {list.hasNextPage && (
        <div>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            More
          </Button>
        </div>
      )}
      {adding && <AddCustomer onClose={() => setAdding(false)} />}
    </div>
  );
}

function AddCustomer({ onClose }: { onClose: () => void }) {
  const api = useApi();
  const [, go] = useLocation();
  const { values, bind } = useFields({ id: "", name: "", email: "", timezone: "" });
  const { id, name, email, timezone } = values;
  return (
    <FormDialog
      title="Add a customer"
      action="Add"
      ready={id !== ""}
      save={() => api.post("/customers", { id, name: name || null, email: email || null, timezone: timezone || null })}
      said={`${name || id} added`}
      onSaved={() => go(`/console/customers/${encodeURIComponent(id)}/tree`)}
      onClose={onClose}
    >
      <Text label="Id" {...bind("id")} autoFocus hint="As your product calls it; it cannot be changed" />
      <Text label="Name" {...bind("name")} />
      <Text label="Email" {...bind("email")} type="email" />
      <Text label="Time zone" {...bind("timezone")} placeholder="UTC" hint="Limits reset by it; such as Europe/Prague" />
    </FormDialog>
  );
}
