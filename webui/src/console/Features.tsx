import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { path } from "../api/client";
import type { Feature, Meter } from "../api/types";
import { Button, Checkbox, Confirm, Select, Text, toast } from "../ui";
import { FormDialog, useFields } from "../ui/FormDialog";
import { List, RowButton } from "../ui/List";
import { useApi } from "./session";

function meterWords(m: Meter | null): string {
  if (m === null) return "reported as usage";
  const of = m.aggregation.field ? ` of ${m.aggregation.field}` : "";
  const n = m.filters.length;
  return `${m.aggregation.function.toLowerCase()}${of} in ${m.eventName} events${n ? `, ${n} filter${n > 1 ? "s" : ""}` : ""}`;
}

export function Features() {
  const api = useApi();
  const [editing, setEditing] = useState<Feature | "new" | null>(null);
  const [archiving, setArchiving] = useState<Feature | null>(null);
  const got = useQuery({ queryKey: ["features"], queryFn: () => api.all<Feature>("/features") });
  const verb = archiving?.archivedAt ? "Restore" : "Archive";
  return (
    <List
      about="What is counted and limited. With a meter, your events feed it; without, your product reports usage."
      add="Add a feature"
      onAdd={() => setEditing("new")}
      got={got}
      none={{ title: "No features yet", text: "Such as LLM tokens, messages, seats." }}
      columns={[
        {
          head: "Name",
          look: "strong break",
          cell: f => (
            <>
              {f.displayName} {f.archivedAt && <span className="chip">archived</span>}
            </>
          ),
        },
        { head: "Id", cell: f => <code>{f.id}</code> },
        { head: "Unit", look: "muted", cell: f => f.featureUnitsPlural ?? f.featureUnits ?? "–" },
        { head: "Fed by", look: "muted break", cell: f => meterWords(f.meter) },
      ]}
      actions={f => (
        <>
          <RowButton onClick={() => setEditing(f)}>Edit</RowButton>
          <RowButton onClick={() => setArchiving(f)}>{f.archivedAt ? "Restore" : "Archive"}</RowButton>
        </>
      )}
    >
      {editing && <FeatureForm feature={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {archiving && (
        <Confirm
          title={`${verb} ${archiving.displayName}?`}
          action={verb}
          danger={!archiving.archivedAt}
          onClose={() => setArchiving(null)}
          onConfirm={async () => {
            await api.post(path`/features/${archiving.id}/` + (archiving.archivedAt ? "unarchive" : "archive"));
            toast(`${archiving.displayName} ${verb.toLowerCase()}d`);
            void got.refetch();
          }}
        >
          <p>{archiving.archivedAt ? "New limits can be set on it again." : "Its limits go on; new ones cannot be set."}</p>
        </Confirm>
      )}
    </List>
  );
}

type Condition = { field: string; operation: string; value: string };

function FeatureForm({ feature, onClose }: { feature: Feature | null; onClose: () => void }) {
  const api = useApi();
  const meter = feature?.meter;
  const { values, bind, set } = useFields({
    id: feature?.id ?? "",
    displayName: feature?.displayName ?? "",
    unit: feature?.featureUnits ?? "",
    units: feature?.featureUnitsPlural ?? "",
    meterType: feature?.meterType ?? "INCREMENTAL",
    metered: meter != null,
    event: meter?.eventName ?? "",
    fn: meter?.aggregation.function ?? "SUM",
    field: meter?.aggregation.field ?? "",
    filters:
      meter?.filters.map(f =>
        f.conditions.map(c => ({ field: c.field, operation: c.operation, value: c.values?.join(", ") ?? c.value ?? "" })),
      ) ?? [],
  });
  const { id, displayName, metered, fn, filters } = values;
  const save = (ifMatch?: string) => {
    const meter = metered ? meterOf(values.event, fn, values.field, filters) : null;
    const body = { displayName, featureUnits: values.unit, featureUnitsPlural: values.units };
    return feature
      ? api.patch(path`/features/${id}`, { ...body, ...(meter || feature.meter ? { meter } : {}) }, ifMatch)
      : api.post("/features", { ...body, id, featureType: "NUMBER", meterType: values.meterType, ...(meter ? { meter } : {}) });
  };
  return (
    <FormDialog
      title={feature ? `Edit ${feature.displayName}` : "Add a feature"}
      ready={displayName !== "" && id !== "" && (!metered || (values.event !== "" && (fn === "COUNT" || values.field !== "")))}
      base={feature ?? undefined}
      save={save}
      said={`${displayName} saved`}
      onClose={onClose}
      wide
    >
      {!feature && <Text label="Id" {...bind("id")} autoFocus placeholder="llm-tokens" />}
      <Text label="Name" {...bind("displayName")} placeholder="LLM tokens" />
      <Text label="Unit" {...bind("unit")} placeholder="token" />
      <Text label="Units" {...bind("units")} placeholder="tokens" />
      {!feature && (
        <Select
          label="Usage"
          {...bind("meterType")}
          options={[
            ["INCREMENTAL", "only grows"],
            ["FLUCTUATING", "may fall, such as seats"],
          ]}
        />
      )}
      <div className="wide">
        <Checkbox checked={metered} onChange={v => set({ metered: v })}>
          Fed by events (a meter)
        </Checkbox>
      </div>
      {metered && (
        <>
          <Text label="Event name" {...bind("event")} placeholder="llm.call" />
          <Select
            label="Aggregation"
            {...bind("fn")}
            options={(["SUM", "COUNT", "MAX", "UNIQUE"] as const).map(f => [f, f.toLowerCase()] as const)}
          />
          {fn !== "COUNT" && <Text label="Of property" {...bind("field")} placeholder="tokens.input" />}
          <Filters {...bind("filters")} />
        </>
      )}
    </FormDialog>
  );
}

function meterOf(eventName: string, fn: Meter["aggregation"]["function"], field: string, filters: Condition[][]): Meter {
  const condition = (c: Condition) => ({
    field: c.field,
    operation: c.operation,
    ...(c.operation === "IN"
      ? { values: c.value.split(/\s*,\s*/).filter(Boolean) }
      : c.operation.endsWith("NULL")
        ? {}
        : { value: c.value }),
  });
  return {
    eventName,
    aggregation: fn === "COUNT" ? { function: fn } : { function: fn, field },
    filters: filters.map(f => ({ conditions: f.map(condition) })),
  };
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

function Filters({ value, onChange }: { value: Condition[][]; onChange: (v: Condition[][]) => void }) {
  const edit = (i: number, j: number, c: Partial<Condition>) =>
    onChange(value.map((f, a) => (a === i ? f.map((x, b) => (b === j ? { ...x, ...c } : x)) : f)));
  const blank = { field: "", operation: "EQUALS", value: "" };
  return (
    <div className="wide stack tight">
      <span className="small strong">Only events that pass any of these filters</span>
      {value.map((f, i) => (
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
            <Button size="small" look="quiet" onClick={() => onChange(value.map((x, a) => (a === i ? [...x, blank] : x)))}>
              And
            </Button>
            <Button size="small" look="quiet" onClick={() => onChange(value.filter((_, a) => a !== i))}>
              Remove
            </Button>
          </div>
        </div>
      ))}
      <div>
        <Button size="small" look="quiet" icon={<Plus size={14} />} onClick={() => onChange([...value, [blank]])}>
          Filter
        </Button>
      </div>
    </div>
  );
}
