import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { type Api, path } from "../api/client";
import { locale } from "../api/locale";
import { type Rights, rightsOf } from "../api/rights";
import type { Assignment, Capability, Currency, EntityType, Feature, Tree } from "../api/types";
import { toast } from "../ui";
import type { LimitInput } from "./limit";
import { LeftOver, undoLimits } from "./undo";

/** The parts of the view. */
export type View = "overview" | "usage" | "tree" | "stopped" | "requests" | "notifications" | "explain" | "activity";

/** What every part of the governance view of one customer needs. */
export type Session = {
  api: Api;
  customerId: string;
  /** Whose drafts are kept, of which customer, and how amounts were typed: what one has typed is not for another. */
  draftsOf: string;
  rights: Rights;
  /** Whether anything may be changed, and whether this entity may. */
  canEdit: boolean;
  mayEdit: (entityId: string) => boolean;
  types: Map<string, EntityType>;
  capabilities: Capability[];
  capability: Capability | null;
  setCapability: (c: Capability) => void;
  /** Opens an entity's drawer. */
  open: (entityId: string | null) => void;
  /** Shows another part, with what its address says of it. */
  go: (view: View, params?: Record<string, string>) => void;
  /** Called after a write, with the entities whose rows may have changed, or null for anything. */
  wrote: (what: Written) => void;
  /** The latest write that can be taken back. */
  undo: Written | null;
};

/** A write that is done, and how to take it back. */
export type Written = {
  text: string;
  entityIds: string[] | null;
  undo?: () => Promise<unknown>;
  /** It could not be taken back: what is shown is read anew, though this has changed nothing. */
  failed?: boolean;
};

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const s = useContext(Context);
  if (!s) throw new Error("no session");
  return s;
}

export const capabilityOf = (s: { featureId?: string; currencyId?: string }, all: Capability[]): Capability | undefined =>
  all.find(c => (c.kind === "feature" ? c.id === s.featureId : c.id === s.currencyId));

/** A capability by its kind and id: "currency:credits". */
export const idOf = (c: Capability) => `${c.kind}:${c.id}`;

/** The capability that a page names: "credits", or "currency:credits" where a feature has the same id. */
export const capabilityNamed = (name: string, all: Capability[]): Capability | undefined =>
  all.find(c => idOf(c) === name || c.id === name);

/** The query or body member that names a capability. */
export const named = (c: Capability) => (c.kind === "feature" ? { featureId: c.id } : { currencyId: c.id });

export function capabilities(features: Feature[], currencies: Currency[]): Capability[] {
  return [
    ...currencies.map(c => ({
      kind: "currency" as const,
      id: c.id,
      name: c.displayName,
      unit: c.units?.plural ?? c.symbol ?? "",
      counts: "sum" as const,
    })),
    ...features.map(f => ({
      kind: "feature" as const,
      id: f.id,
      name: f.displayName,
      unit: f.featureUnitsPlural ?? f.featureUnits ?? "",
      counts: countsOf(f),
    })),
  ];
}

function countsOf(f: Feature): Capability["counts"] {
  switch (f.meter?.aggregation.function) {
    case "MAX":
      return "highest";
    case "UNIQUE":
      return "different";
    default:
      return "sum";
  }
}

export type Start = { rights: Rights; types: EntityType[]; capabilities: Capability[]; first: Capability | null };

async function start(api: Api, customerId: string): Promise<Start> {
  const [rights, types, features, currencies] = await Promise.all([
    rightsOf(api),
    api.all<EntityType>("/entity-types", { includeArchived: true }),
    api.all<Feature>("/features"),
    api.all<Currency>("/credits/custom-currencies"),
  ]);
  const all = capabilities(features, currencies);
  return { rights, types, capabilities: all, first: await fullest(api, customerId, all) };
}

/** Where to look first: the capability of the fullest limit, of a currency before a feature, as money says more. */
async function fullest(api: Api, customerId: string, all: Capability[]): Promise<Capability | null> {
  if (all.length < 2) return all[0] ?? null;
  for (const [kind, member] of [
    ["currency", "currencyIds"],
    ["feature", "featureIds"],
  ] as const) {
    const ids = all.filter(c => c.kind === kind).map(c => c.id);
    if (ids.length === 0) continue;
    const got = await api.get<Tree>(path`/customers/${customerId}/governance`, { [member]: ids.slice(0, 100), limit: 1 });
    const row = got.data[0];
    const found = row && capabilityOf(row, all);
    if (found) return found;
  }
  return all[0] ?? null;
}

export function useStart(api: Api, customerId: string) {
  return useQuery({ queryKey: ["start", customerId], queryFn: () => start(api, customerId), staleTime: 60_000 });
}

type ProviderProps = {
  api: Api;
  customerId: string;
  start: Start;
  /** What is looked at first, while nobody has chosen. */
  first?: Capability | null;
  onOpen: (id: string | null) => void;
  onGo?: Session["go"];
  onWrote: (w: Written) => void;
  children: ReactNode;
};

export function SessionProvider({ api, customerId, start, first, onOpen, onGo, onWrote, children }: ProviderProps) {
  const client = useQueryClient();
  const [capability, setChosen] = useState(() => chosen.get(customerId) ?? first ?? start.first);
  const setCapability = useCallback(
    (c: Capability) => {
      chosen.set(customerId, c);
      setChosen(c);
    },
    [customerId],
  );
  const [undos, setUndos] = useState<Written[]>([]);
  const undo = undos.at(-1) ?? null;
  const types = useMemo(() => new Map(start.types.map(t => [t.id, t])), [start.types]);

  const wrote = useCallback(
    (w: Written) => {
      void refreshQueries(client);
      onWrote(w);
      if (!w.undo) {
        toast(w.text);
        return;
      }
      const back = w.undo;
      const undoable: Written = {
        ...w,
        undo: async () => {
          let text = `Undone: ${w.text}`;
          let failed = false;
          try {
            await back();
            // Others are still to be had: each takes back its own write.
            setUndos(all => all.filter(u => u !== undoable));
            toast(text);
          } catch (e) {
            if (e instanceof LeftOver && e.final) setUndos(all => all.filter(u => u !== undoable));
            failed = !(e instanceof LeftOver && e.some);
            text = `Could not undo “${w.text}”: ${(e as Error).message}`;
            toast(text, undefined, 30_000);
          }
          void refreshQueries(client);
          onWrote({ text, entityIds: w.entityIds, failed });
        },
      };
      setUndos(all => [...all.slice(-19), undoable]);
      toast(w.text, { label: "Undo", run: () => void undoable.undo?.() });
    },
    [client, onWrote],
  );

  const session = useMemo(
    () => ({
      api,
      customerId,
      draftsOf: `${customerId}:${start.rights.who}:${locale()}`,
      rights: start.rights,
      canEdit: start.rights.edit,
      mayEdit: (id: string) => start.rights.edit && id !== start.rights.root,
      types,
      capabilities: start.capabilities,
      capability,
      setCapability,
      open: onOpen,
      go: onGo ?? nowhere,
      wrote,
      undo,
    }),
    [api, customerId, start, types, capability, setCapability, onOpen, onGo, wrote, undo],
  );
  return <Context value={session}>{children}</Context>;
}

const nowhere = () => {};

/** What was looked at last of each customer: another part of the view goes on with it. */
const chosen = new Map<string, Capability>();

const refreshQueries = (client: QueryClient) => client.invalidateQueries({ predicate: q => q.queryKey[0] !== "start" });

const chunk = 100;

type Put = { limits: Assignment[]; undo: () => Promise<unknown> };

/**
 * Puts limits and says how to take that back. Above 100 it takes several requests; each is
 * whole or not at all.
 */
export async function putLimits(s: Session, inputs: LimitInput[], before: Assignment[]): Promise<Put> {
  const target = path`/customers/${s.customerId}/assignments`;
  const after: Assignment[] = [];
  const begun = new Set<string>();
  for (let i = 0; i < inputs.length; i += chunk) {
    const got = await s.api.put<{ data: Assignment[] }>(target, { assignments: inputs.slice(i, i + chunk) });
    after.push(...got.data);
  }
  return { limits: after, undo: () => undoLimits(s, before, after, begun) };
}
