import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { isZero } from "../api/amount";
import { path } from "../api/client";
import { count } from "../api/locale";
import type { CoveredShare, CoveredType, CoveredUsage, One, Coverage as Shown } from "../api/types";
import { useNames } from "../governance/names";
import { capabilityOf, SessionProvider, useSession, useStart } from "../governance/session";
import { day } from "../lib/time";
import { Amt, Empty, Reading } from "../ui";
import { Table } from "../ui/List";
import { useApi } from "./session";
import { ungovernedWords } from "./Ungoverned";

/** What of a customer no limit covers: who may use what they like, and what they did. */
export function Coverage({ customerId }: { customerId: string }) {
  const api = useApi();
  const begin = useStart(api, customerId);
  if (!begin.data) return <Reading got={begin} />;
  return (
    <SessionProvider api={api} customerId={customerId} start={begin.data} onOpen={() => {}} onWrote={() => {}}>
      <div className="customer-body stack loose">
        <Covered />
      </div>
    </SessionProvider>
  );
}

function Covered() {
  const s = useSession();
  const got = useQuery({
    queryKey: ["coverage", s.customerId],
    queryFn: () => s.api.get<One<Shown>>(path`/customers/${s.customerId}/coverage`).then(r => r.data),
    staleTime: 60_000,
  });
  const examples = got.data
    ? [...got.data.types.flatMap(t => t.examples), ...got.data.usage.flatMap(u => u.types.flatMap(t => t.examples.map(e => e.entityId)))]
    : [];
  const name = useNames(examples);
  if (!got.data) return <Reading got={got} lines={6} />;
  const open = got.data.usage.filter(u => !isZero(u.ungovernedUsage));
  return (
    <>
      <Reading got={got} />
      <section className="stack" aria-label="Who has no limit">
        <h2>Who has no limit</h2>
        <p className="muted">
          Neither themselves nor above them, of their own or by default, of anything. One limit at the top covers all below it.
        </p>
        {got.data.types.length === 0 ? (
          <Empty title="Nobody is here yet" />
        ) : (
          <Table
            look="panel"
            rows={got.data.types}
            id={t => t.entityTypeId}
            columns={[
              {
                head: "Type",
                look: "break",
                cell: t => (
                  <>
                    <span className="strong">{s.types.get(t.entityTypeId)?.displayName ?? t.entityTypeId}</span>
                    <div className="small muted">such use is {ungovernedWords[t.ungoverned]}</div>
                  </>
                ),
              },
              { head: "Without a limit", look: "right num", by: t => t.withoutLimit, cell: t => <Without of={t} name={name} /> },
            ]}
          />
        )}
      </section>
      <section className="stack" aria-label="What was used under no limit">
        <h2>What was used under no limit</h2>
        <p className="muted">Since {day(got.data.startDate)}, by the limits as they are now.</p>
        {open.length === 0 ? (
          <Empty title={nothingOpen(got.data.usage)} />
        ) : (
          open.map(u => <Open key={u.featureId ?? `currency:${u.currencyId}`} of={u} name={name} />)
        )}
        <Untold of={got.data.usage} />
      </section>
    </>
  );
}

/** What is said where no usage is known to be under no limit. */
const nothingOpen = (of: CoveredUsage[]) =>
  of.length === 0
    ? "No usage yet"
    : of.every(u => isZero(u.untold))
      ? "All usage is under a limit"
      : "All usage of which it is known whom it named is under a limit";

type Names = (id: string) => string;

const Without = ({ of, name }: { of: CoveredType; name: Names }) => (
  <>
    <span className={of.withoutLimit > 0 ? "strong" : "muted"}>
      {of.withoutLimit === 0 ? "none" : count(of.withoutLimit)} of {count(of.entities)}
    </span>
    <Who ids={of.examples} name={name} />
  </>
);

/** Some of them, which lead to their limits. */
function Who({ ids, name }: { ids: string[]; name: Names }) {
  const s = useSession();
  if (ids.length === 0) return null;
  return (
    <div className="small break">
      {ids.slice(0, 5).map((id, i) => (
        <span key={id}>
          {i > 0 && ", "}
          <Link href={`/console/customers/${encodeURIComponent(s.customerId)}/tree?node=${encodeURIComponent(id)}`}>{name(id)}</Link>
        </span>
      ))}
    </div>
  );
}

function Open({ of, name }: { of: CoveredUsage; name: Names }) {
  const s = useSession();
  const c = capabilityOf(of, s.capabilities);
  const rows: CoveredShare[] = of.types.filter(t => !isZero(t.ungovernedUsage));
  return (
    <section className="panel" aria-label={c?.name ?? of.featureId ?? of.currencyId}>
      <header className="row wrap">
        <h3 className="grow break">{c?.name ?? of.featureId ?? of.currencyId}</h3>
        <span className="small">
          <Amt v={of.ungovernedUsage} /> of <Amt v={of.used} unit={c?.unit} />
        </span>
      </header>
      <Table
        rows={rows}
        id={t => t.entityTypeId ?? ""}
        columns={[
          {
            head: "Named",
            look: "break",
            cell: t =>
              t.entityTypeId ? (s.types.get(t.entityTypeId)?.displayName ?? t.entityTypeId) : <span className="muted">nobody</span>,
          },
          {
            head: "Under no limit",
            look: "right num",
            cell: t => (
              <>
                <Amt v={t.ungovernedUsage} />
                <Who ids={t.examples.map(e => e.entityId)} name={name} />
              </>
            ),
          },
        ]}
      />
    </section>
  );
}

/** Usage of which nobody knows whom it named is in no figure above. */
function Untold({ of }: { of: CoveredUsage[] }) {
  const s = useSession();
  const rows = of.filter(u => !isZero(u.untold));
  if (rows.length === 0) return null;
  return (
    <p className="small muted">
      Not told apart:{" "}
      {rows.map((u, i) => (
        <span key={u.featureId ?? `currency:${u.currencyId}`}>
          {i > 0 && ", "}
          <Amt v={u.untold} unit={capabilityOf(u, s.capabilities)?.name} />
        </span>
      ))}
      . Nobody knows whom that named.
    </p>
  );
}
