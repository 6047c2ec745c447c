import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Search } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import type { Customer, Page } from "../api/types";
import { day } from "../lib/time";
import { Button, Checkbox, Code, Dialog, Empty, Skeleton, Text, Trouble, toast, useAction, useSettled } from "../ui";
import { useApi } from "./App";

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
      api.get<Page<Customer>>(
        "/customers",
        { [search.includes("@") ? "email" : "name"]: search, includeArchived: archived || undefined, limit: 50, after: pageParam },
        signal,
      ),
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
          <span className="hidden">Find by name or email</span>
          <Search size={15} aria-hidden />
          <input className="input" type="search" placeholder="Name or email" value={text} onChange={e => setText(e.target.value)} />
        </label>
        <Checkbox checked={archived} onChange={setArchived}>
          Archived, too
        </Checkbox>
      </div>
      {list.isPending && <Skeleton lines={6} />}
      {list.isError && <Trouble error={list.error} retry={() => list.refetch()} />}
      {list.data && rows.length === 0 && search === "" && (
        <Empty title="No customers yet">
          <p>Each of your customers has its own tree of budgets and its own pool of credits. Your backend adds them as they sign up:</p>
          <Code
            text={`curl -X POST -H "X-API-KEY: $BURSAR_API_KEY" -H 'Content-Type: application/json' \\\n  ${location.origin}/api/v1/customers -d '{"id":"acme","name":"Acme Corp"}'`}
          />
        </Empty>
      )}
      {list.data && rows.length === 0 && search !== "" && <Empty title={`No customer of the name “${search}”`} />}
      {rows.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Id</th>
                <th>Email</th>
                <th>Time zone</th>
                <th>Since</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(c => (
                <tr key={c.id}>
                  <td className="strong break">
                    <Link href={`/console/customers/${encodeURIComponent(c.id)}`}>{c.name ?? c.id}</Link>
                    {c.archivedAt && <span className="chip">archived</span>}
                  </td>
                  <td>
                    <code>{c.id}</code>
                  </td>
                  <td className="muted break">{c.email ?? "–"}</td>
                  <td className="muted">{c.timezone ?? "UTC"}</td>
                  <td className="muted num">{day(c.createdAt)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
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
  const client = useQueryClient();
  const [, go] = useLocation();
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [timezone, setTimezone] = useState("");
  const run = useAction();
  const save = () =>
    run.start(
      () => api.post("/customers", { id, name: name || null, email: email || null, timezone: timezone || null }),
      () => {
        void client.invalidateQueries({ queryKey: ["customers"] });
        toast(`${name || id} added`);
        onClose();
        go(`/console/customers/${encodeURIComponent(id)}`);
      },
    );
  return (
    <Dialog
      title="Add a customer"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} disabled={id === ""} onClick={save}>
            Add
          </Button>
        </>
      }
    >
      <div className="stack">
        <div className="fields">
          <Text label="Id" value={id} onChange={setId} autoFocus hint="As your product calls it; it cannot be changed" />
          <Text label="Name" value={name} onChange={setName} />
          <Text label="Email" value={email} onChange={setEmail} type="email" />
          <Text label="Time zone" value={timezone} onChange={setTimezone} placeholder="UTC" hint="In which its days and months begin" />
        </div>
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}
