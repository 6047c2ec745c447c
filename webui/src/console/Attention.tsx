import { useQuery } from "@tanstack/react-query";
import { CircleAlert, Coins, Webhook as Hook, Tags } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { nano } from "../api/amount";
import { type Api, isStatus, path, type Query } from "../api/client";
import { count } from "../api/locale";
import type { Delivery, Overview, Page, Unpriced, Unread, Webhook } from "../api/types";
import { Amt } from "../ui";
import { useApi } from "./session";

type Item = { id: string; icon: ReactNode; to: string | null; what: ReactNode };

const webhooksLooked = 20;

/** What an operator should do something about: messages that do not arrive, usage that costs nothing, pools that end. */
export function Attention({ o }: { o: Overview | undefined }) {
  const api = useApi();
  const slow = { refetchInterval: 60_000, retry: false };
  const hooks = useQuery({ queryKey: ["attention", "webhooks"], queryFn: () => failing(api), ...slow });
  const unpriced = useQuery({
    queryKey: ["attention", "unpriced"],
    queryFn: async () => (await api.get<Page<Unpriced>>("/rate-cards/unpriced")).data,
    ...slow,
  });
  const unread = useQuery({
    queryKey: ["attention", "unread"],
    queryFn: async () => (await api.get<Page<Unread>>("/events/unread")).data,
    ...slow,
  });
  const name = (id: string) => o?.names.find(n => n.customerId === id && n.entityId === null)?.displayName ?? id;
  const currency = (id: string) => o?.spend.find(s => s.currencyId === id)?.displayName ?? id;
  const items: Item[] = [
    ...(hooks.data ?? []).map(({ hook, last }) => ({
      id: hook.id,
      icon: <Hook size={15} aria-hidden />,
      to: "/console/developers/webhooks",
      what: (
        <>
          <span className="strong break">{hook.description || hook.url}</span> does not take messages:{" "}
          {last.responseStatus ? `it answered ${last.responseStatus}` : (last.error ?? "no answer")}, {count(last.attempts)}{" "}
          {last.attempts === 1 ? "try" : "tries"}
        </>
      ),
    })),
    ...(o?.pools ?? []).map(p => ({
      id: `${p.customerId} ${p.currencyId}`,
      icon: <Coins size={15} aria-hidden />,
      to: `/console/customers/${encodeURIComponent(p.customerId)}/credits`,
      what: (
        <>
          <span className="strong break">{name(p.customerId)}</span>: {currency(p.currencyId)}{" "}
          {nano(p.left) <= 0n ? (
            "are used up"
          ) : (
            <>
              last {lasts(Number(p.left) / Number(p.perDay))}, <Amt v={p.left} /> at <Amt v={p.perDay} /> a day
            </>
          )}
        </>
      ),
    })),
    ...told("unpriced", unpriced.data, list => (
      <>
        <span className="strong">Usage without a price</span>: {times(list)} of{" "}
        {list
          .map(u => u.featureId)
          .filter(first)
          .slice(0, 3)
          .join(", ")}{" "}
        since this node started cost nothing
      </>
    )),
    ...told("unread", unread.data, list => (
      <>
        <span className="strong">Usage that was not understood</span>: {times(list)} of{" "}
        {list
          .map(u => u.eventName)
          .filter(first)
          .slice(0, 3)
          .join(", ")}{" "}
        since this node started
      </>
    )),
  ];
  const unknown = [
    ["whether webhooks take messages", hooks],
    ["whether usage has a price", unpriced],
    ["whether usage is understood", unread],
  ] as const;
  for (const [what, got] of unknown)
    if (got.isError)
      items.push({
        id: what,
        icon: <CircleAlert size={15} aria-hidden />,
        to: null,
        what: (
          <>
            <span className="strong">Not known</span> {what}: {got.error.message}
          </>
        ),
      });
  if (items.length === 0) return null;
  return (
    <section className="panel attention" aria-label="Needs attention">
      <header>
        <CircleAlert size={16} aria-hidden />
        <h2 className="grow">Needs attention</h2>
        <span className="small muted">{count(items.length)}</span>
      </header>
      <ul>
        {items.slice(0, 12).map(i => (
          <li key={i.id} className="row">
            {i.icon}
            <span className="grow">{i.what}</span>
            {i.to && (
              <Link href={i.to} className="nowrap">
                Look<span className="hidden"> at {i.id}</span>
              </Link>
            )}
          </li>
        ))}
        {items.length > 12 && <li className="small muted">and {count(items.length - 12)} more</li>}
      </ul>
    </section>
  );
}

const first = (x: string, i: number, all: string[]) => all.indexOf(x) === i;
const times = (list: { count: number }[]) => {
  const n = list.reduce((sum, x) => sum + x.count, 0);
  return `${count(n)} ${n === 1 ? "use" : "uses"}`;
};

function told<T>(id: string, list: T[] | undefined, what: (list: T[]) => ReactNode): Item[] {
  if (!list || list.length === 0) return [];
  return [{ id, icon: <Tags size={15} aria-hidden />, to: "/console/catalogue/rates", what: what(list) }];
}

/** "4 days", cut, so that nothing is promised. */
function lasts(days: number): string {
  if (days < 1) return "less than a day";
  return `${count(Math.floor(days))} ${days < 2 ? "day" : "days"}`;
}

const tried = (newest: Delivery[]) => newest.find(d => d.attempts > 0);

/** The webhooks that are on and whose newest message that was tried has been refused. */
async function failing(api: Api): Promise<{ hook: Webhook; last: Delivery }[]> {
  let hooks: Webhook[];
  try {
    hooks = await api.all<Webhook>("/webhooks");
  } catch (e) {
    if (isStatus(e, 403)) return []; // a key that only reads
    throw e;
  }
  const out: { hook: Webhook; last: Delivery }[] = [];
  for (const hook of hooks.filter(h => h.status === "ENABLED").slice(0, webhooksLooked)) {
    const read = async (query: Query) => (await api.get<Page<Delivery>>(path`/webhooks/${hook.id}/deliveries`, query)).data;
    // While there is traffic, the newest wait to be tried.
    const last = tried(await read({ limit: 100 })) ?? tried(await read({ status: "FAILED", limit: 1 }));
    if (last && last.status !== "SUCCEEDED") out.push({ hook, last });
  }
  return out;
}
