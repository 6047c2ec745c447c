import type { Exact } from "../api/json";
import { readAmount, readPlain, type Typed } from "../api/typed";
import type { Entity, EntityType } from "../api/types";

// People and agents from a pasted list or a file: what each line says, what is wrong with it,
// and in which order they are written, as whoever is above must be there first.

/** What a line says; its number is that of the text. */
export type Cells = { line: number; id: string; name: string; type: string; parent: string; limit: string };

const columns: Record<string, keyof Omit<Cells, "line">> = {
  id: "id",
  entityid: "id",
  name: "name",
  displayname: "name",
  type: "type",
  entitytypeid: "type",
  parent: "parent",
  parentid: "parent",
  below: "parent",
  limit: "limit",
  usagelimit: "limit",
};
const order = ["id", "name", "type", "parent", "limit"] as const;

/**
 * The lines of a list. Its first names the columns; without names one column is of names, and
 * several are id, name, type, parent and limit.
 */
export function cellsOf(rows: { line: number; cells: string[] }[]): { lines: Cells[]; problem: string | null } {
  const [first, ...rest] = rows;
  if (!first) return { lines: [], problem: null };
  const keys = first.cells.map(
    c =>
      columns[
        c
          .trim()
          .toLowerCase()
          .replace(/[\s_-]/g, "")
      ],
  );
  const headed = keys.some(k => k !== undefined) && !(first.cells.length === 1 && keys[0] !== "id" && keys[0] !== "name");
  const widest = Math.max(...rows.map(r => r.cells.length));
  const at = headed ? keys : widest === 1 ? (["name"] as const) : order;
  const strange = headed ? first.cells.filter((_, i) => keys[i] === undefined).map(c => c.trim()) : [];
  if (strange.length > 0) return { lines: [], problem: `There is no column “${strange[0]}”: they are id, name, type, parent and limit.` };
  if (!headed && widest > order.length) return { lines: [], problem: "More than five columns: they are id, name, type, parent and limit." };
  const lines = (headed ? rest : rows).map(r => {
    const cells: Cells = { line: r.line, id: "", name: "", type: "", parent: "", limit: "" };
    for (const [i, k] of at.entries()) if (k) cells[k] = (r.cells[i] ?? "").trim();
    return cells;
  });
  return { lines, problem: null };
}

export const slug = (name: string) =>
  name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");

export const idOf = (c: Cells) => c.id || slug(c.name);

export type Planned = {
  line: number;
  id: string;
  name: string;
  typeId: string;
  parentId: string | null;
  limit: Exact | null;
  /** As it is now; null: there is none yet. */
  before: Entity | null;
  problem: string | null;
};

/** made: whom this list has added itself, before the rest of it was refused. */
export type Defaults = { typeId: string; parentId: string | null; limit: Exact | null; made?: ReadonlySet<string> };

const longestId = 255;

function wrongId(id: string): string | null {
  if (id === "") return "it has neither an id nor a name";
  if (/^(archive|unarchive|entitlements)$/.test(id)) return `the id “${id}” is reserved`;
  if (id.length > longestId) return `an id has at most ${longestId} characters`;
  if (!/^[A-Za-z0-9][A-Za-z0-9_|.-]*$/.test(id)) return `“${id}” is no id: letters, digits and _ | . - without spaces`;
  return null;
}

/** An amount as the reader's language writes it, or as a file does. */
function limitOf(text: string, file: boolean): Typed {
  if (text === "") return { amount: null, problem: null };
  if (!file) return readAmount(text);
  const amount = readPlain(text);
  return amount
    ? { amount, problem: null }
    : { amount: null, problem: `“${text}” is no amount as a file writes it, such as 3000 or 1234.5` };
}

/** What would be written of each line, or why it cannot be. known: what there is under an id; undefined: not known. */
export function planOf(
  lines: Cells[],
  d: Defaults,
  types: EntityType[],
  known: (id: string) => Entity | null | undefined,
  file = false,
): Planned[] {
  const byType = new Map<string, EntityType>();
  for (const t of types) byType.set(t.displayName.toLowerCase(), t);
  for (const t of types) byType.set(t.id.toLowerCase(), t);
  const lineOf = new Map<string, number>();
  const plan = lines.map((c): Planned => {
    const id = idOf(c);
    const before = known(id) ?? null;
    const type = c.type ? byType.get(c.type.toLowerCase()) : types.find(t => t.id === (before?.entityTypeId ?? d.typeId));
    const parentId = c.parent || (before ? before.parentId : d.parentId);
    const { amount, problem } = limitOf(c.limit, file);
    const twice = lineOf.get(id);
    lineOf.set(id, lineOf.get(id) ?? c.line);
    const wrong =
      wrongId(id) ??
      (twice !== undefined ? `its id “${id}” is that of line ${twice}, too: give it another` : null) ??
      (c.name.length > 255 ? "a name has at most 255 characters" : null) ??
      (c.id === "" && before && !d.made?.has(id) ? `there is one with the id “${id}” already: give this line an id of its own` : null) ??
      (c.type && !type ? `there is no type “${c.type}”` : !type ? "it has no type: choose one above" : null) ??
      (type?.archivedAt ? `the type “${type.displayName}” is archived` : null) ??
      problem;
    return {
      line: c.line,
      id,
      name: c.name,
      typeId: type?.id ?? "",
      parentId,
      limit: amount ?? (before && !d.made?.has(id) ? null : d.limit),
      before,
      problem: wrong,
    };
  });
  const here = new Map(plan.map(p => [p.id, p]));
  for (const p of plan) p.problem ??= wrongPlace(p, here, known);
  return plan;
}

function wrongPlace(p: Planned, here: Map<string, Planned>, known: (id: string) => Entity | null | undefined): string | null {
  if (p.parentId === null) return null;
  if (!here.has(p.parentId)) {
    const there = known(p.parentId);
    if (there === null) return `there is nobody with the id “${p.parentId}” to be below`;
    if (there?.archivedAt) return `“${p.parentId}” is archived, so nobody can be put below`;
    return null;
  }
  const seen = new Set<string>();
  for (let at: string | null = p.id; at !== null; at = here.get(at)?.parentId ?? null) {
    if (seen.has(at)) return "it would be below itself";
    seen.add(at);
  }
  return null;
}

export const isSame = (p: Planned) =>
  p.before !== null &&
  p.before.archivedAt === null &&
  (p.name === "" || p.name === (p.before.displayName ?? "")) &&
  p.typeId === p.before.entityTypeId &&
  p.parentId === p.before.parentId;

/** Whoever is above before whoever is below. */
export function inOrder(plan: Planned[]): Planned[] {
  const here = new Map(plan.map(p => [p.id, p]));
  const out = new Set<Planned>();
  const take = (p: Planned) => {
    const above = p.parentId === null ? undefined : here.get(p.parentId);
    if (above && !out.has(above) && above !== p) take(above);
    out.add(p);
  };
  for (const p of plan) take(p);
  return [...out];
}
