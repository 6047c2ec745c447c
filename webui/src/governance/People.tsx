import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Upload } from "lucide-react";
import { useState } from "react";
import { formatExact } from "../api/amount";
import { isStatus, path } from "../api/client";
import { count } from "../api/locale";
import { readAmount } from "../api/typed";
import type { Assignment, Entity, One, Page } from "../api/types";
import { readRows } from "../lib/csv";
import { cadenceOptions, perCadence } from "../lib/time";
import { inTurns } from "../lib/turns";
import { Button, Dialog, Notice, Reading, Select, Trouble, useAction, useSettled } from "../ui";
import { AmountField } from "../ui/AmountField";
import { keptOf, StillHere, useKeeping } from "../ui/kept";
import { inputOf, type LimitInput } from "./limit";
import { useNames } from "./names";
import { cellsOf, idOf, inOrder, isSame, type Planned, planOf } from "./people";
import { named, useSession } from "./session";
import type { Session } from "./sessiontype";

/** made: whom this very list has added already, where its limits are still to be set. */
type Draft = { text: string; typeId: string; limit: string; cadence: string; file: boolean; made: string[] };
type Step = { words: string; made: string[]; run: () => Promise<unknown> };
type Report = { words: string; error: string | null };

const linesAllowed = 1000;
const chunk = 100;
const rowsShown = 200;

/** Adds many people and agents at once, from a pasted list or a file, after saying what is wrong with each line. */
export default function People({ parentId, onClose }: { parentId: string | null; onClose: () => void }) {
  const s = useSession();
  const name = useNames(parentId ? [parentId] : []);
  const where = parentId ? `below ${name(parentId)}` : "at the top";
  const key = `people:${s.draftsOf}:${parentId ?? ""}:${s.capability?.kind}:${s.capability?.id}`;
  const blank: Draft = { text: "", typeId: "", limit: "", cadence: "P1M", file: false, made: [] };
  const [draft, setDraft] = useState<Draft>(() => keptOf<Draft>(key)?.state ?? blank);
  const set = (d: Partial<Draft>) => setDraft(before => ({ ...before, ...d }));
  const client = useQueryClient();
  const run = useAction();
  const keeping = useKeeping(key, `The list to add ${where}`, draft, draft.text !== "" || draft.limit !== "", run.busy);
  const [steps, setSteps] = useState<Step[] | null>(null);
  const [reports, setReports] = useState<Report[]>([]);
  const types = [...s.types.values()].filter(t => t.archivedAt === null);

  // Those below are mostly of one type: the one that is there already.
  const sibling = useQuery({
    queryKey: ["sibling", s.customerId, parentId],
    queryFn: async () =>
      (await s.api.get<Page<Entity>>(path`/customers/${s.customerId}/entities`, { parentId, limit: 1 })).data[0]?.entityTypeId ?? "",
    enabled: parentId !== null,
    staleTime: 60_000,
  });
  const typeId = draft.typeId || sibling.data || (types.length === 1 ? (types[0]?.id ?? "") : "");
  const text = useSettled(draft.text, 500);
  const got = useQuery({
    queryKey: ["people", s.customerId, text],
    queryFn: async () => {
      const rows = await readRows(text);
      if (rows.length > linesAllowed + 1) throw new Error(`At most ${count(linesAllowed)} lines at once.`);
      const read = cellsOf(rows);
      if (read.problem) throw new Error(read.problem);
      const ids = [...new Set(read.lines.flatMap(c => [idOf(c), c.parent]).filter(Boolean))];
      const found = await inTurns(ids, id =>
        client.fetchQuery({ queryKey: ["there", s.customerId, id], queryFn: () => entityOf(s, id), staleTime: 30_000, retry: false }),
      );
      return { lines: read.lines, known: new Map(ids.map((id, i) => [id, found[i] ?? null])) };
    },
    enabled: text.trim() !== "" && steps === null,
    retry: false,
    staleTime: 0,
  });
  const waiting = text !== draft.text || got.isFetching;
  const each = readAmount(draft.limit).amount;
  const plan =
    got.data && text.trim() !== ""
      ? planOf(
          got.data.lines,
          { typeId, parentId, limit: each, made: new Set(draft.made) },
          [...s.types.values()],
          id => got.data?.known.get(id),
          draft.file,
        )
      : [];
  const bad = plan.filter(p => p.problem !== null);
  const entities = inOrder(plan).filter(p => !isSame(p));
  const limits = s.capability ? plan.filter(p => p.limit !== null) : [];
  const fresh = entities.filter(p => p.before === null).length;
  const changes = entities.length - fresh;
  const ready =
    !waiting && plan.length > 0 && bad.length === 0 && entities.length + limits.length > 0 && (draft.limit === "" || each !== null);

  const finish = () => {
    keeping.over();
    const made = entities.filter(p => p.before === null).map(p => p.id);
    s.wrote({
      text: [
        fresh > 0 && `${count(fresh)} added`,
        changes > 0 && `${count(changes)} changed`,
        limits.length > 0 && `${count(limits.length)} limits set`,
      ]
        .filter(Boolean)
        .join(", "),
      entityIds: null,
      // Of what was there before, more than this may hang on it.
      undo: changes === 0 && fresh > 0 ? () => archiveAll(s, made) : undefined,
    });
    onClose();
  };
  const save = () =>
    run.start(async () => {
      let rest = steps ?? stepsOf(s, entities, limits, draft.cadence);
      for (; rest.length > 0; rest = rest.slice(1)) {
        const [step] = rest;
        setSteps(rest);
        try {
          await step?.run();
        } catch (e) {
          setReports(r => [...r, { words: step?.words ?? "", error: (e as Error).message }]);
          throw e;
        }
        setReports(r => [...r, { words: step?.words ?? "", error: null }]);
        const added = step?.made ?? [];
        setDraft(d => ({ ...d, made: [...d.made, ...added] }));
      }
      finish();
    });
  const action = steps
    ? "Go on"
    : [fresh > 0 && `Add ${count(fresh)}`, changes > 0 && `${fresh > 0 ? "change" : "Change"} ${count(changes)}`]
        .filter(Boolean)
        .join(", ") || (limits.length > 0 ? `Set ${count(limits.length)} limits` : "Add");

  return (
    <Dialog
      title={`Add people and agents ${where}`}
      kind="wide"
      onClose={onClose}
      foot={
        <>
          <Button
            onClick={() => {
              keeping.over();
              onClose();
            }}
          >
            {reports.length > 0 ? "Close" : "Cancel"}
          </Button>
          <Button look="primary" busy={run.busy} disabled={!ready && !steps} onClick={save}>
            {action}
          </Button>
        </>
      }
    >
      <div className="stack" data-kept>
        <StillHere since={keeping.since} onDiscard={() => setDraft(blank)} />
        <div className="field">
          <label htmlFor="people-text">One on each line</label>
          <textarea
            id="people-text"
            className="input people-text"
            rows={7}
            spellCheck={false}
            placeholder={"Contract reader\nInvoice matcher\nMail drafter"}
            aria-describedby="people-note"
            readOnly={steps !== null}
            value={draft.text}
            onChange={e => set({ text: e.target.value, file: false })}
            autoFocus
          />
          <span id="people-note" className="hint">
            Names alone, or id, name, type, parent and limit, as a spreadsheet copies them or with commas. A first line may name the
            columns.
          </span>
        </div>
        <label className="button" style={{ alignSelf: "flex-start" }}>
          <Upload size={15} aria-hidden />
          Take a CSV file
          <input
            type="file"
            className="hidden"
            accept=".csv,text/csv,text/plain"
            disabled={steps !== null}
            onChange={e => {
              const file = e.target.files?.[0];
              e.target.value = "";
              if (file && file.size < 1 << 20) void file.text().then(t => set({ text: t.replace(/^\ufeff/, ""), file: true }));
            }}
          />
        </label>
        <div className="fields">
          <Select
            label="Type, where a line says none"
            value={typeId}
            onChange={t => set({ typeId: t })}
            options={[["", "Choose one"] as const, ...types.map(t => [t.id, t.displayName] as const)]}
          />
          {s.capability && (
            <AmountField
              label={`Limit of each (${s.capability.name})`}
              value={draft.limit}
              onChange={limit => set({ limit })}
              unit={s.capability.unit || s.capability.name}
              placeholder="none"
            />
          )}
          {s.capability && (draft.limit !== "" || limits.length > 0) && (
            <Select label="It resets every" value={draft.cadence} onChange={cadence => set({ cadence })} options={cadenceOptions} />
          )}
        </div>
        {text.trim() !== "" && <Reading got={got} lines={3} />}
        {bad.length > 0 && !waiting && (
          <Notice kind="bad">
            <span className="strong">
              {bad.length === 1 ? "One line" : `${count(bad.length)} lines`} of {count(plan.length)} cannot be added.
            </span>{" "}
            Nothing is written before all are right.
          </Notice>
        )}
        {plan.length > 0 && <Preview plan={plan} cadence={draft.cadence} />}
        {plan.length > chunk && bad.length === 0 && (
          <Notice>
            Written a hundred at a time, those above first. Should some be refused, it is said which, and the ones before stay.
          </Notice>
        )}
        {reports.length > 0 && (
          <ul className="small" aria-label="What was written">
            {reports.map((r, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: reports are only added
              <li key={i} className="break">
                {r.words}: {r.error === null ? "done" : <span className="ink-bad">refused, nothing of them is written: {r.error}</span>}
              </li>
            ))}
          </ul>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

async function entityOf(s: Session, id: string): Promise<Entity | null> {
  try {
    return (await s.api.get<One<Entity>>(path`/customers/${s.customerId}/entities/${id}`)).data;
  } catch (e) {
    if (isStatus(e, 404, 400)) return null;
    throw e;
  }
}

const chunksOf = <T,>(list: T[]): T[][] =>
  Array.from({ length: Math.ceil(list.length / chunk) }, (_, i) => list.slice(i * chunk, i * chunk + chunk));

/** The writes, each whole or not at all: those above before those below, and then their limits. */
function stepsOf(s: Session, entities: Planned[], limits: Planned[], cadence: string): Step[] {
  const words = (what: string, list: Planned[]) =>
    `${what} of ${list.length === 1 ? list[0]?.name || list[0]?.id : `${count(list.length)} lines`}`;
  return [
    ...chunksOf(entities).map(list => ({
      words: words("People and agents", list),
      made: list.filter(p => p.before === null).map(p => p.id),
      run: () =>
        s.api.put(path`/customers/${s.customerId}/entities`, {
          entities: list.map(p => ({
            id: p.id,
            entityTypeId: p.typeId,
            ...(p.name ? { displayName: p.name } : {}),
            parentId: p.parentId,
            ifMatch: p.before?.revision ?? "none",
          })),
        }),
    })),
    ...chunksOf(limits).map(list => ({
      words: words("Limits", list),
      made: [],
      run: async () => {
        const inputs = await inTurns(list, p => limitFor(s, p, cadence));
        await s.api.put(path`/customers/${s.customerId}/assignments`, { assignments: inputs });
      },
    })),
  ];
}

/** The limit that a line asks for: of one that was there before, the one that it has is changed. */
async function limitFor(s: Session, p: Planned, cadence: string): Promise<LimitInput> {
  const about = s.capability ? named(s.capability) : {};
  const there = p.before
    ? await s.api.all<Assignment>(path`/customers/${s.customerId}/assignments`, { entityId: p.id, ...about, label: "" })
    : [];
  const own = there.find(a => a.scopeEntityIds.length === 0 && a.label === "");
  if (own) return { ...inputOf(own), usageLimit: p.limit, ifMatch: own.revision };
  return { entityId: p.id, ...about, scopeEntityIds: [], label: "", usageLimit: p.limit, cadence, ifMatch: "none" };
}

async function archiveAll(s: Session, ids: string[]) {
  const below = [...ids].reverse();
  for (const list of chunksOf(below)) await s.api.post(path`/customers/${s.customerId}/entities/archive`, { ids: list });
}

function Preview({ plan, cadence }: { plan: Planned[]; cadence: string }) {
  const s = useSession();
  const name = useNames([...new Set(plan.flatMap(p => p.parentId ?? []))].filter(id => !plan.some(p => p.id === id)));
  const list = [...plan.filter(p => p.problem !== null), ...plan.filter(p => p.problem === null)];
  const words = (p: Planned) => (p.before === null ? "new" : p.before.archivedAt ? "restored" : isSame(p) ? "stays" : "changed");
  const become = (p: Planned) =>
    p.problem ? (
      <span className="ink-bad">
        Line {p.line}: {p.problem}
      </span>
    ) : (
      <span className="muted">{words(p)}</span>
    );
  return (
    <section className="panel table-wrap shares" aria-label="What becomes of each line" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th className="wide-only">Line</th>
            <th>Who</th>
            <th className="wide-only">Type</th>
            <th className="wide-only">Below</th>
            {s.capability && <th className="right">Limit</th>}
            <th>What becomes of it</th>
          </tr>
        </thead>
        <tbody>
          {list.slice(0, rowsShown).map(p => (
            <tr key={p.line}>
              <td className="num muted wide-only">{p.line}</td>
              <td className="break">
                <span className="strong">{p.name || p.before?.displayName || p.id || "–"}</span>
                <div className="small muted">{p.id}</div>
                <div className="small narrow-only">{become(p)}</div>
              </td>
              <td className="wide-only">{s.types.get(p.typeId)?.displayName ?? <span className="muted">–</span>}</td>
              <td className="break wide-only">{p.parentId ? name(p.parentId) : <span className="muted">at the top</span>}</td>
              {s.capability && (
                <td className="right num">
                  {p.limit ? formatExact(p.limit.text) : <span className="muted">–</span>}
                  {p.limit && <div className="small muted">{perCadence(cadence)}</div>}
                </td>
              )}
              <td className="break wide-only">{become(p)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {list.length > rowsShown && <p className="small muted panel-note">and {count(list.length - rowsShown)} more</p>}
    </section>
  );
}
