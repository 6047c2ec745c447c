import { useQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { Link, useLocation } from "wouter";
import { isStatus, path } from "../api/client";
import type { Customer, One } from "../api/types";
import { GovernanceView } from "../governance/GovernanceView";
import { Holds } from "../governance/Holds";
import { openCount, useOpenRequests } from "../governance/requests";
import { SessionProvider, useStart, type View } from "../governance/session";
import { CopyButton, Empty, Reading, Trouble } from "../ui";
import { useCommands } from "../ui/commands";
import { Access } from "./Access";
import { Coverage } from "./Coverage";
import { Credits } from "./Credits";
import { Entitlements } from "./Entitlements";
import { Parts } from "./Parts";
import { useApi } from "./session";

const parts = [
  ["overview", "Overview"],
  ["usage", "Usage"],
  ["tree", "Budgets"],
  ["requests", "Requests"],
  ["notifications", "Notifications"],
  ["coverage", "Coverage"],
  ["credits", "Credits"],
  ["entitlements", "Entitlements"],
  ["holds", "Holds"],
  ["stopped", "Stopped"],
  ["explain", "Explain"],
  ["activity", "Activity"],
  ["access", "Access"],
] as const;

const views: View[] = ["overview", "usage", "tree", "stopped", "requests", "notifications", "explain", "activity"];

/** One customer: its governance as its own admins see it, and what only the vendor does. */
export function CustomerPage({ id, tab }: { id: string; tab: string }) {
  const api = useApi();
  const [, navigate] = useLocation();
  const got = useQuery({ queryKey: ["customer", id], queryFn: () => api.get<One<Customer>>(path`/customers/${id}`) });
  const open = useOpenRequests(api, id);
  const c = got.data?.data;
  const base = `/console/customers/${encodeURIComponent(id)}`;
  useCommands(parts.map(([part, name]) => ({ group: c?.name ?? id, name, run: () => navigate(`${base}/${part}`) })));
  if (got.isError && !c)
    return (
      <div className="page stack">
        {isStatus(got.error, 404) ? (
          <Empty title="No such customer">
            <p className="break">
              No customer has the id <code>{id}</code>.
            </p>
            <Link className="button" href="/console/customers">
              All customers
            </Link>
          </Empty>
        ) : (
          <>
            <h1 className="break">{id}</h1>
            <Trouble error={got.error} retry={() => got.refetch()} />
          </>
        )}
      </div>
    );
  const governance = views.find(v => v === tab);
  return (
    <div className={`customer ${tab === "tree" ? "filled" : ""}`}>
      <div className="customer-head">
        <div className="crumbs">
          <Link href="/console/customers">Customers</Link>
          <ChevronRight size={12} aria-hidden />
        </div>
        <div className="row wrap">
          <h1 className="break">{c?.name ?? id}</h1>
          <span className="row" style={{ gap: 2 }}>
            <code className="muted">{id}</code>
            <CopyButton text={id} label="Copy id" />
          </span>
          {c?.archivedAt && <span className="chip">archived</span>}
        </div>
        <Parts base={base} at={tab} parts={parts} counts={{ requests: openCount(open.data) }} label="Parts of the customer" />
      </div>
      {governance && (
        <GovernanceView
          api={api}
          customerId={id}
          view={governance}
          onView={(view, query) => navigate(`${base}/${view}${query && `?${query}`}`)}
        />
      )}
      {tab === "coverage" && <Coverage customerId={id} />}
      {tab === "credits" && <Credits customerId={id} />}
      {tab === "entitlements" && <Entitlements customerId={id} />}
      {tab === "holds" && <CustomerHolds id={id} />}
      {tab === "access" && <Access customerId={id} />}
      {!parts.some(([p]) => p === tab) && <Empty title="No such page" />}
    </div>
  );
}

function CustomerHolds({ id }: { id: string }) {
  const api = useApi();
  const begin = useStart(api, id);
  if (!begin.data) return <Reading got={begin} />;
  return (
    <SessionProvider api={api} customerId={id} start={begin.data} onOpen={() => {}} onWrote={() => {}}>
      <div className="customer-body">
        <Holds />
      </div>
    </SessionProvider>
  );
}
