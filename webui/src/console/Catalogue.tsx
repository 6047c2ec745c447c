import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useId, useState } from "react";
import { path } from "../api/client";
import type { Currency, EntityType, Feature, Meter } from "../api/types";
import { Button, Checkbox, Confirm, Dialog, Empty, Select, Skeleton, Text, Trouble, toast, useAction } from "../ui";
import { Parts, useApi } from "./App";
import { RateCards } from "./RateCards";

const parts = [
  ["types", "Entity types"],
  ["features", "Features"],
  ["currencies", "Currencies"],
  ["rates", "Rate cards"],
] as const;

/** What the vendor defines once, for all customers. */
export function Catalogue({ part }: { part: string }) {
  return (
    <div className="page stack">
      <h1>Catalogue</h1>
      <Parts base="/console/catalogue" at={part} parts={parts} label="Parts of the catalogue" />
      {part === "types" && <EntityTypes />}
      {part === "features" && <Features />}
      {part === "currencies" && <Currencies />}
      {part === "rates" && <RateCards />}
    </div>
  );
}

export const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);

function EntityTypes() {
  const api = useApi();
  const [editing, setEditing] = useState<EntityType | "new" | null>(null);
  const [archiving, setArchiving] = useState<EntityType | null>(null);
  const got = useQuery({ queryKey: ["types"], queryFn: () => api.all<EntityType>("/entity-types") });
  return (
    <>
      <div className="row between wrap">
        <p className="muted" style={{ maxWidth: "64ch" }}>
          The levels of your customers' trees. A request names an entity by an attribution key: <code>{"{agentId: “agent-7”}"}</code> is
          counted on that agent and all above it.
        </p>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setEditing("new")}>
          Add a type
        </Button>
      </div>
      {got.isPending && <Skeleton />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {got.data?.length === 0 && <Empty title="No entity types yet">Such as organisation, team, user, agent.</Empty>}
      {got.data && got.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Id</th>
                <th>Attribution keys</th>
                <th>Description</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {got.data.map(t => (
                <tr key={t.id}>
                  <td className="strong break">{t.displayName}</td>
                  <td>
                    <code>{t.id}</code>
                  </td>
                  <td>
                    {t.attributionKeys.length === 0 ? (
                      <span className="muted">none</span>
                    ) : (
                      t.attributionKeys.map(k => <code key={k}>{k} </code>)
                    )}
                  </td>
                  <td className="muted break">{t.description ?? "–"}</td>
                  <td className="right nowrap">
                    <Button size="small" look="quiet" onClick={() => setEditing(t)}>
                      Edit
                    </Button>
                    <Button size="small" look="quiet" onClick={() => setArchiving(t)}>
                      Archive
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {editing && <TypeForm type={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {archiving && (
        <Confirm
          title={`Archive ${archiving.displayName}?`}
          action="Archive"
          danger
          onClose={() => setArchiving(null)}
          onConfirm={async () => {
            await api.post("/entity-types/archive", { ids: [archiving.id] });
            toast(`${archiving.displayName} archived`);
            void got.refetch();
          }}
        >
          <p>Its attribution keys name nothing any more. A type of which any customer has entities cannot be archived.</p>
        </Confirm>
      )}
    </>
  );
}

function TypeForm({ type, onClose }: { type: EntityType | null; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [id, setId] = useState(type?.id ?? "");
  const [name, setName] = useState(type?.displayName ?? "");
  const [keys, setKeys] = useState(type?.attributionKeys.join(", ") ?? "");
  const [description, setDescription] = useState(type?.description ?? "");
  const run = useAction();
  const save = () =>
    run.start(
      () => api.put("/entity-types", { types: [{ id, displayName: name, attributionKeys: words(keys), description }] }),
      () => {
        toast(`${name} saved`);
        void client.invalidateQueries({ queryKey: ["types"] });
        onClose();
      },
    );
  return (
    <Editor
      title={type ? `Edit ${type.displayName}` : "Add an entity type"}
      run={run}
      ready={id !== "" && name !== ""}
      onSave={save}
      onClose={onClose}
    >
      {!type && <Text label="Id" value={id} onChange={setId} autoFocus placeholder="agent" />}
      <Text label="Name" value={name} onChange={setName} placeholder="Agent" />
      <Text
        wide
        label="Attribution keys"
        value={keys}
        onChange={setKeys}
        placeholder="agentId"
        problem={words(keys).length > 2 ? "At most two" : null}
        hint="Up to two dimensions whose value is an entity's id. Changes apply to what comes, not to what was."
      />
      <Text wide label="Description" value={description} onChange={setDescription} />
    </Editor>
  );
}

type EditorProps = {
  title: string;
  run: ReturnType<typeof useAction>;
  ready: boolean;
  onSave: () => void;
  onClose: () => void;
  children: React.ReactNode;
  wide?: boolean;
};

/** A dialog with a form of fields. */
export function Editor({ title, run, ready, onSave, onClose, children, wide }: EditorProps) {
  const id = useId();
  return (
    <Dialog
      title={title}
      kind={wide ? "wide" : undefined}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={id} look="primary" busy={run.busy} disabled={!ready}>
            Save
          </Button>
        </>
      }
    >
      <form
        id={id}
        className="stack"
        onSubmit={e => {
          e.preventDefault();
          if (ready) onSave();
        }}
      >
        <div className="fields">{children}</div>
        {run.error !== null && <Trouble error={run.error} />}
      </form>
    </Dialog>
  );
}

const meterWords = (m: Meter | null) =>
  m === null
    ? "reported as usage"
    : `${m.aggregation.function.toLowerCase()}${m.aggregation.field ? ` of ${m.aggregation.field}` : ""} in ${m.eventName} events`;

function Features() {
  const api = useApi();
  const [editing, setEditing] = useState<Feature | "new" | null>(null);
  const [archiving, setArchiving] = useState<Feature | null>(null);
  const got = useQuery({ queryKey: ["features"], queryFn: () => api.all<Feature>("/features") });
  return (
    <>
      <div className="row between wrap">
        <p className="muted" style={{ maxWidth: "64ch" }}>
          What is counted and limited. With a meter, your events feed it; without, your product reports usage.
        </p>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setEditing("new")}>
          Add a feature
        </Button>
      </div>
      {got.isPending && <Skeleton />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {got.data?.length === 0 && <Empty title="No features yet">Such as LLM tokens, messages, seats.</Empty>}
      {got.data && got.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Id</th>
                <th>Unit</th>
                <th>Fed by</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {got.data.map(f => (
                <tr key={f.id}>
                  <td className="strong break">
                    {f.displayName} {f.archivedAt && <span className="chip">archived</span>}
                  </td>
                  <td>
                    <code>{f.id}</code>
                  </td>
                  <td className="muted">{f.featureUnitsPlural ?? f.featureUnits ?? "–"}</td>
                  <td className="muted break">
                    {meterWords(f.meter)}
                    {f.meter && f.meter.filters.length > 0 && `, ${f.meter.filters.length} filter${f.meter.filters.length > 1 ? "s" : ""}`}
                  </td>
                  <td className="right nowrap">
                    <Button size="small" look="quiet" onClick={() => setEditing(f)}>
                      Edit
                    </Button>
                    <Button size="small" look="quiet" onClick={() => setArchiving(f)}>
                      {f.archivedAt ? "Restore" : "Archive"}
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {editing && <FeatureForm feature={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {archiving && (
        <Confirm
          title={`${archiving.archivedAt ? "Restore" : "Archive"} ${archiving.displayName}?`}
          action={archiving.archivedAt ? "Restore" : "Archive"}
          danger={!archiving.archivedAt}
          onClose={() => setArchiving(null)}
          onConfirm={async () => {
            await api.post(path`/features/${archiving.id}/` + (archiving.archivedAt ? "unarchive" : "archive"));
            toast(`${archiving.displayName} ${archiving.archivedAt ? "restored" : "archived"}`);
            void got.refetch();
          }}
        >
          <p>{archiving.archivedAt ? "New limits can be set on it again." : "Its limits go on; new ones cannot be set."}</p>
        </Confirm>
      )}
    </>
  );
}

const operations = [
  "EQUALS",
  "NOT_EQUALS",
  "IN",
  "GREATER_THAN",
  "GREATER_THAN_OR_EQUAL",
  "LESS_THAN",
  "LESS_THAN_OR_EQUAL",
  "IS_NULL",
  "IS_NOT_NULL",
  "CONTAINS",
  "STARTS_WITH",
  "ENDS_WITH",
];
type Condition = { field: string; operation: string; value: string };

function FeatureForm({ feature, onClose }: { feature: Feature | null; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [id, setId] = useState(feature?.id ?? "");
  const [name, setName] = useState(feature?.displayName ?? "");
  const [unit, setUnit] = useState(feature?.featureUnits ?? "");
  const [units, setUnits] = useState(feature?.featureUnitsPlural ?? "");
  const [meterType, setMeterType] = useState(feature?.meterType ?? "INCREMENTAL");
  const [metered, setMetered] = useState(feature?.meter != null);
  const [event, setEvent] = useState(feature?.meter?.eventName ?? "");
  const [fn, setFn] = useState(feature?.meter?.aggregation.function ?? "SUM");
  const [field, setField] = useState(feature?.meter?.aggregation.field ?? "");
  const [filters, setFilters] = useState<Condition[][]>(
    feature?.meter?.filters.map(f =>
      f.conditions.map(c => ({ field: c.field, operation: c.operation, value: c.values?.join(", ") ?? c.value ?? "" })),
    ) ?? [],
  );
  const run = useAction();

  const condition = (c: Condition) => ({
    field: c.field,
    operation: c.operation,
    ...(c.operation === "IN"
      ? { values: c.value.split(/\s*,\s*/).filter(Boolean) }
      : c.operation.endsWith("NULL")
        ? {}
        : { value: c.value }),
  });
  const save = () => {
    const meter = metered
      ? {
          eventName: event,
          aggregation: fn === "COUNT" ? { function: fn } : { function: fn, field },
          filters: filters.map(f => ({ conditions: f.map(condition) })),
        }
      : null;
    const body = { displayName: name, featureUnits: unit, featureUnitsPlural: units };
    return run.start(
      () =>
        feature
          ? api.patch(path`/features/${feature.id}`, { ...body, ...(meter || feature.meter ? { meter } : {}) })
          : api.post("/features", { ...body, id, featureType: "NUMBER", meterType, ...(meter ? { meter } : {}) }),
      () => {
        toast(`${name} saved`);
        void client.invalidateQueries({ queryKey: ["features"] });
        onClose();
      },
    );
  };
  const edit = (i: number, j: number, c: Partial<Condition>) =>
    setFilters(filters.map((f, a) => (a === i ? f.map((x, b) => (b === j ? { ...x, ...c } : x)) : f)));
  const ready = name !== "" && id !== "" && (!metered || (event !== "" && (fn === "COUNT" || field !== "")));
  const blank = { field: "", operation: "EQUALS", value: "" };
  return (
    <Editor title={feature ? `Edit ${feature.displayName}` : "Add a feature"} run={run} ready={ready} onSave={save} onClose={onClose} wide>
      {!feature && <Text label="Id" value={id} onChange={setId} autoFocus placeholder="llm-tokens" />}
      <Text label="Name" value={name} onChange={setName} placeholder="LLM tokens" />
      <Text label="Unit" value={unit} onChange={setUnit} placeholder="token" />
      <Text label="Units" value={units} onChange={setUnits} placeholder="tokens" />
      {!feature && (
        <Select
          label="Usage"
          value={meterType}
          onChange={setMeterType}
          options={[
            ["INCREMENTAL", "only grows"],
            ["FLUCTUATING", "may fall, such as seats"],
          ]}
        />
      )}
      <div className="wide">
        <Checkbox checked={metered} onChange={setMetered}>
          Fed by events (a meter)
        </Checkbox>
      </div>
      {metered && (
        <>
          <Text label="Event name" value={event} onChange={setEvent} placeholder="llm.call" />
          <Select
            label="Aggregation"
            value={fn}
            onChange={setFn}
            options={(["SUM", "COUNT", "MAX", "UNIQUE"] as const).map(f => [f, f.toLowerCase()] as const)}
          />
          {fn !== "COUNT" && <Text label="Of property" value={field} onChange={setField} placeholder="tokens.input" />}
          <div className="wide stack tight">
            <span className="small strong">Only events that pass any of these filters</span>
            {filters.map((f, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
              <div key={i} className="limit">
                {f.map((c, j) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
                  <div key={j} className="row">
                    <input
                      className="input"
                      aria-label="Property"
                      placeholder="model"
                      value={c.field}
                      onChange={e => edit(i, j, { field: e.target.value })}
                    />
                    <select
                      className="input"
                      aria-label="Comparison"
                      value={c.operation}
                      onChange={e => edit(i, j, { operation: e.target.value })}
                    >
                      {operations.map(o => (
                        <option key={o} value={o}>
                          {o.replaceAll("_", " ").toLowerCase()}
                        </option>
                      ))}
                    </select>
                    {!c.operation.endsWith("NULL") && (
                      <input
                        className="input"
                        aria-label="Value"
                        placeholder={c.operation === "IN" ? "a, b" : "value"}
                        value={c.value}
                        onChange={e => edit(i, j, { value: e.target.value })}
                      />
                    )}
                  </div>
                ))}
                <div className="row">
                  <Button size="small" look="quiet" onClick={() => setFilters(filters.map((x, a) => (a === i ? [...x, blank] : x)))}>
                    And
                  </Button>
                  <Button size="small" look="quiet" onClick={() => setFilters(filters.filter((_, a) => a !== i))}>
                    Remove
                  </Button>
                </div>
              </div>
            ))}
            <div>
              <Button size="small" look="quiet" icon={<Plus size={14} />} onClick={() => setFilters([...filters, [blank]])}>
                Filter
              </Button>
            </div>
          </div>
        </>
      )}
    </Editor>
  );
}

function Currencies() {
  const api = useApi();
  const [editing, setEditing] = useState<Currency | "new" | null>(null);
  const [archiving, setArchiving] = useState<Currency | null>(null);
  const got = useQuery({ queryKey: ["currencies"], queryFn: () => api.all<Currency>("/credits/custom-currencies") });
  return (
    <>
      <div className="row between wrap">
        <p className="muted" style={{ maxWidth: "64ch" }}>
          What customers buy. A prepaid currency has a pool per customer, filled by grants; when it is empty, requests stop.
        </p>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setEditing("new")}>
          Add a currency
        </Button>
      </div>
      {got.isPending && <Skeleton />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {got.data?.length === 0 && <Empty title="No currencies yet">Such as credits.</Empty>}
      {got.data && got.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Id</th>
                <th>Symbol</th>
                <th>Units</th>
                <th>Pool</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {got.data.map(c => (
                <tr key={c.id}>
                  <td className="strong break">{c.displayName}</td>
                  <td>
                    <code>{c.id}</code>
                  </td>
                  <td>{c.symbol ?? "–"}</td>
                  <td className="muted">{c.units?.plural ?? "–"}</td>
                  <td className="muted">{c.prepaid ? "prepaid" : "none, only limits"}</td>
                  <td className="right nowrap">
                    <Button size="small" look="quiet" onClick={() => setEditing(c)}>
                      Edit
                    </Button>
                    <Button size="small" look="quiet" onClick={() => setArchiving(c)}>
                      Archive
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {editing && <CurrencyForm currency={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {archiving && (
        <Confirm
          title={`Archive ${archiving.displayName}?`}
          action="Archive"
          danger
          onClose={() => setArchiving(null)}
          onConfirm={async () => {
            await api.post(path`/credits/custom-currencies/${archiving.id}/archive`);
            toast(`${archiving.displayName} archived`);
            void got.refetch();
          }}
        >
          <p>A currency that limits, grants or rate cards use cannot be archived.</p>
        </Confirm>
      )}
    </>
  );
}

function CurrencyForm({ currency, onClose }: { currency: Currency | null; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [id, setId] = useState(currency?.id ?? "");
  const [name, setName] = useState(currency?.displayName ?? "");
  const [symbol, setSymbol] = useState(currency?.symbol ?? "");
  const [one, setOne] = useState(currency?.units?.singular ?? "");
  const [many, setMany] = useState(currency?.units?.plural ?? "");
  const [prepaid, setPrepaid] = useState(currency?.prepaid ?? true);
  const run = useAction();
  const units = one && many ? { units: { singular: one, plural: many } } : {};
  const save = () =>
    run.start(
      () =>
        currency
          ? api.patch(path`/credits/custom-currencies/${currency.id}`, { displayName: name, symbol, ...units })
          : api.post("/credits/custom-currencies", { id, displayName: name, ...(symbol ? { symbol } : {}), ...units, prepaid }),
      () => {
        toast(`${name} saved`);
        void client.invalidateQueries({ queryKey: ["currencies"] });
        onClose();
      },
    );
  return (
    <Editor
      title={currency ? `Edit ${currency.displayName}` : "Add a currency"}
      run={run}
      ready={id !== "" && name !== ""}
      onSave={save}
      onClose={onClose}
    >
      {!currency && <Text label="Id" value={id} onChange={setId} autoFocus placeholder="credits" />}
      <Text label="Name" value={name} onChange={setName} placeholder="Credits" />
      <Text label="Symbol" value={symbol} onChange={setSymbol} placeholder="none" />
      <Text label="Unit" value={one} onChange={setOne} placeholder="credit" />
      <Text label="Units" value={many} onChange={setMany} placeholder="credits" />
      {!currency && (
        <div className="wide">
          <Checkbox checked={prepaid} onChange={setPrepaid}>
            Prepaid: requests stop when the customer's pool is empty
          </Checkbox>
        </div>
      )}
    </Editor>
  );
}
