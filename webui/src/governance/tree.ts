import { less } from "../api/amount";
import type { Api, Query } from "../api/client";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import type { Capability, Effective, Entity, Frozen, Tree, TreeRow } from "../api/types";

/** An entity of the tree, with its limits of the chosen capability. */
export type TreeNode = {
  id: string;
  typeId: string;
  name: string | null;
  parentId: string | null;
  childCount: number;
  archived: boolean;
  frozen: Frozen | null;
  limits: TreeRow[];
  /** The limit that its line shows: the same as long as the table is, so that a line does not come to mean another. */
  shown: string | null;
  effective: Effective | null;
};

export type Filter = { search: string; typeId: string; status: "" | "near" | "over"; scope: "all" | "nodeWide" | "scoped" };
export type Sort = "utilization" | "currentUsage" | "usageLimit" | "name";
export const noFilter: Filter = { search: "", typeId: "", status: "", scope: "all" };

/** A list that is loaded page by page: the roots, the children of an entity, or what a filter finds. */
export type Branch = {
  ids: string[];
  /** Which list is read: limits in the order asked for, then the entities without any. */
  phase: "limits" | "entities" | "done";
  cursor: string;
  loading: boolean;
  error: Error | null;
};

/** A line of the table. */
export type Line =
  | {
      kind: "node";
      node: TreeNode;
      level: number;
      position: number;
      size: number;
      open: boolean;
      ceiling: Ceiling | null;
      limit: TreeRow | undefined;
    }
  | { kind: "more"; parentId: string; level: number; branch: Branch };

/** The least that an ancestor leaves, and which one. */
export type Ceiling = { remaining: Amount; node: TreeNode };

export const rootKey = "";
const pageSize = 500;

const newBranch = (): Branch => ({ ids: [], phase: "limits", cursor: "", loading: false, error: null });

/**
 * The part of a customer's tree that has been looked at. It is loaded branch by branch, and
 * rows that the server sends later are put in place without moving others.
 */
export class TreeStore {
  nodes = new Map<string, TreeNode>();
  branches = new Map<string, Branch>();
  open = new Set<string>();
  /** When anything was last heard of the server, by this machine's clock. */
  heardAt = 0;
  /** How far the server's clock is ahead of this machine's, in milliseconds. */
  skew = 0;
  version = 0;
  /** Of which period limits are shown; "": of any. */
  lens = "";
  private watchers = new Set<() => void>();
  private lines: Line[] | null = null;
  private ended = new AbortController();

  constructor(
    readonly api: Api,
    readonly customerId: string,
    readonly capability: Capability | null,
    readonly sort: Sort = "utilization",
    readonly descending = true,
    readonly filter: Filter = noFilter,
    readonly flat = false,
  ) {}

  watch = (f: () => void) => {
    this.watchers.add(f);
    return () => {
      this.watchers.delete(f);
    };
  };
  snapshot = () => this.version;

  changed() {
    this.version++;
    this.lines = null;
    for (const w of this.watchers) w();
  }

  /** Stops what is still being loaded. */
  close() {
    this.ended.abort();
    this.ended = new AbortController();
  }

  private query(more: Query): Query {
    const f = this.filter;
    return {
      entityTypeIds: f.typeId ? [f.typeId] : [],
      entityIdSearch: f.search,
      limit: pageSize,
      ...more,
    };
  }

  private limitQuery(more: Query): Query {
    const c = this.capability;
    return this.query({
      [c?.kind === "currency" ? "currencyIds" : "featureIds"]: c ? [c.id] : [],
      sortBy: this.sort === "name" ? "id" : this.sort,
      order: this.descending ? "desc" : "asc",
      scope: this.filter.scope,
      minUtilization: { "": undefined, near: 0.8, over: 1 }[this.filter.status],
      ...more,
    });
  }

  private entityQuery(more: Query): Query {
    return this.query({ ...this.about(), sortBy: "id", order: this.sort === "name" && this.descending ? "desc" : "asc", ...more });
  }

  /** Of which capability rows without a limit say how their entity stands. */
  private about(): Query {
    const c = this.capability;
    return c ? { [c.kind === "currency" ? "effectiveCurrencyId" : "effectiveFeatureId"]: c.id } : {};
  }

  private get treePath() {
    return path`/customers/${this.customerId}/governance`;
  }

  private place(parentId: string): Query {
    if (this.flat) return {};
    return parentId === rootKey ? { depth: 0 } : { parentId };
  }

  /** Loads the next page of a branch. */
  async load(parentId: string): Promise<void> {
    const b = this.branches.get(parentId) ?? newBranch();
    this.branches.set(parentId, b);
    if (b.loading || b.phase === "done") return;
    b.loading = true;
    b.error = null;
    this.changed();
    try {
      const shown = b.ids.length;
      // A page may hold nothing new: several limits of entities that are there already.
      do await this.page(parentId, b);
      while ((b.phase as string) !== "done" && b.ids.length - shown < 50);
    } catch (e) {
      if ((e as Error).name !== "AbortError") b.error = e as Error;
    }
    b.loading = false;
    this.changed();
  }

  private async page(parentId: string, b: Branch) {
    if (b.phase === "limits" && !this.capability) b.phase = "entities";
    const limits = b.phase === "limits";
    const where = { ...this.place(parentId), after: b.cursor };
    const got = await this.api.get<Tree>(this.treePath, limits ? this.limitQuery(where) : this.entityQuery(where), this.ended.signal);
    this.heard(got.asOf);
    const known = new Set(b.ids);
    for (const row of got.data) {
      this.put(row);
      if (known.has(row.entityId)) continue;
      known.add(row.entityId);
      b.ids.push(row.entityId);
    }
    b.cursor = got.pagination.next ?? "";
    if (b.cursor) return;
    const onlyLimits = this.filter.status !== "" || this.filter.scope !== "all";
    b.phase = limits && !onlyLimits ? "entities" : "done";
    if (b.phase === "done" && this.sort === "name") this.sortByName(b);
  }

  private sortByName(b: Branch) {
    const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
    const name = (id: string) => this.nodes.get(id)?.name ?? id;
    b.ids.sort((x, y) => collator.compare(name(x), name(y)) * (this.descending ? -1 : 1));
  }

  /** Puts what a row says about an entity, and its limit if it has one. */
  put(row: TreeRow) {
    let n = this.nodes.get(row.entityId);
    if (!n) {
      n = {
        id: row.entityId,
        typeId: "",
        name: null,
        parentId: null,
        childCount: 0,
        archived: false,
        frozen: null,
        limits: [],
        shown: null,
        effective: null,
      };
      this.nodes.set(n.id, n);
    }
    n.typeId = row.entityTypeId;
    n.name = row.displayName;
    n.parentId = row.parentId;
    n.childCount = row.childCount;
    n.archived = row.archivedAt !== null;
    n.frozen = row.frozen ?? null;
    if (row.assignmentId === null) {
      n.effective = row.effective;
      return;
    }
    const i = n.limits.findIndex(l => l.assignmentId === row.assignmentId);
    if (i < 0) n.limits.push(row);
    else n.limits[i] = row;
  }

  /** The limit of an entity that its line shows. */
  limitOf(n: TreeNode): TreeRow | undefined {
    const among = this.lens === "" ? n.limits : n.limits.filter(l => l.cadence === this.lens);
    if (among.length < 2) return among[0];
    const chosen = among.find(l => l.assignmentId === n.shown) ?? tightest(among);
    n.shown = chosen?.assignmentId ?? null;
    return chosen;
  }

  find = (entityId: string, assignmentId: string) => this.nodes.get(entityId)?.limits.find(l => l.assignmentId === assignmentId);

  look(lens: string) {
    this.lens = lens;
    for (const n of this.nodes.values()) n.shown = null;
    this.changed();
  }

  /** The periods of the limits that are loaded. */
  periods(): string[] {
    return [...new Set([...this.nodes.values()].flatMap(n => n.limits.map(l => l.cadence ?? "")))].filter(Boolean);
  }

  /** A limit has refused a request. */
  refused(assignmentId: string, at: string, requested: Amount) {
    for (const n of this.nodes.values()) for (const l of n.limits) if (l.assignmentId === assignmentId) l.refused = { at, requested };
  }

  /** Takes a row that the stream sends: it tells of no refusals, which stay as long as the period does. */
  news(row: TreeRow) {
    const before = row.assignmentId === null ? undefined : this.find(row.entityId, row.assignmentId);
    if (before?.refused && before.usagePeriodStart === row.usagePeriodStart) row.refused ??= before.refused;
    if (this.nodes.has(row.entityId)) this.put(row);
  }

  async toggle(id: string, open = !this.open.has(id)) {
    if (open) this.open.add(id);
    else this.open.delete(id);
    this.changed();
    if (open && !this.branches.has(id)) await this.load(id);
  }

  /** Opens everything. The whole tree is read in long pages, which takes fewer calls than branch by branch. */
  async openAll(progress: (loaded: number) => void): Promise<void> {
    const children = new Map<string, string[]>();
    const seen = new Set<string>();
    const read = async (query: (more: Query) => Query, limits: boolean) => {
      for (let after: string | null = ""; after !== null; ) {
        const got: Tree = await this.api.get<Tree>(this.treePath, query({ limit: 1000, after }), this.ended.signal);
        for (const row of got.data) {
          this.put(row);
          if (seen.has(row.entityId)) continue;
          seen.add(row.entityId);
          const key = row.parentId ?? rootKey;
          const list = children.get(key);
          if (list) list.push(row.entityId);
          else children.set(key, [row.entityId]);
        }
        if (!limits || seen.size) progress(seen.size);
        after = got.pagination.next;
      }
    };
    if (this.capability) await read(q => this.limitQuery(q), true);
    await read(q => this.entityQuery(q), false);
    // The reader of a subtree sees its root without the parent it has.
    for (const [key, ids] of children) {
      const b: Branch = { ...newBranch(), ids, phase: "done" };
      if (this.sort === "name") this.sortByName(b);
      this.branches.set(key, b);
      if (key !== rootKey) this.open.add(key);
    }
    this.heardAt = Date.now();
    this.changed();
  }

  closeAll() {
    this.open.clear();
    this.changed();
  }

  /** Forgets one entity's limits and reads them, and the entity, again. */
  async reread(id: string): Promise<void> {
    const at = { rootEntityId: id, depth: 0, limit: 1000 };
    const [entity, limits] = await Promise.all([
      this.api.get<Tree>(this.treePath, { ...this.about(), ...at }, this.ended.signal),
      this.capability ? this.api.get<Tree>(this.treePath, { ...this.capabilityQuery(), ...at }, this.ended.signal) : null,
    ]);
    const n = this.nodes.get(id);
    if (n) n.limits = [];
    for (const row of [...entity.data, ...(limits?.data ?? [])]) this.put(row);
    this.heardAt = Date.now();
    this.changed();
  }

  private capabilityQuery(): Query {
    return this.capability ? { [this.capability.kind === "currency" ? "currencyIds" : "featureIds"]: [this.capability.id] } : {};
  }

  /** Reads the first pages of a branch again: for servers that do not stream, and for what no event tells. */
  async refresh(parentId: string): Promise<void> {
    if (!this.capability) return;
    const queries = [this.limitQuery(this.place(parentId)), this.entityQuery(this.place(parentId))];
    for (const query of queries) {
      const got = await this.api.get<Tree>(this.treePath, query, this.ended.signal);
      for (const row of got.data) if (this.nodes.has(row.entityId)) this.put(row);
      this.heard(got.asOf);
    }
    this.changed();
  }

  private heard(asOf: string) {
    this.heardAt = Date.now();
    const at = Date.parse(asOf);
    // Seconds of difference are the way of the answer.
    if (!Number.isNaN(at)) this.skew = Math.abs(at - this.heardAt) < 5000 ? 0 : at - this.heardAt;
  }

  /** The branches in which a limit's period has ended since it was read: no write says so. */
  stale(): string[] {
    const now = Date.now() + this.skew;
    const found = new Set<string>();
    for (const n of this.nodes.values()) {
      if (n.limits.some(l => l.usagePeriodEnd !== null && Date.parse(l.usagePeriodEnd) <= now))
        found.add(this.flat ? rootKey : (n.parentId ?? rootKey));
    }
    return [...found].filter(id => id === rootKey || this.open.has(id));
  }

  /** Takes news of an entity: it may be new, renamed, moved or archived. */
  entity(e: Entity) {
    const n = this.nodes.get(e.id);
    if (this.flat) {
      if (n) Object.assign(n, { name: e.displayName, typeId: e.entityTypeId, archived: e.archivedAt !== null });
      return;
    }
    const from = n ? (n.parentId ?? rootKey) : null;
    const to = e.parentId !== null && (this.nodes.has(e.parentId) || n === undefined || n.parentId !== null) ? e.parentId : rootKey;
    if (n) Object.assign(n, { name: e.displayName, typeId: e.entityTypeId, parentId: to === rootKey ? null : to });
    if (e.archivedAt !== null) {
      if (n && from !== null) this.detach(e.id, from);
      return;
    }
    if (from === to) return;
    if (n && from !== null) this.detach(e.id, from);
    const parent = this.nodes.get(to);
    if (parent) parent.childCount++;
    const b = this.branches.get(to);
    if (!b) return;
    if (!n) {
      const parentId = to === rootKey ? null : to;
      this.nodes.set(e.id, {
        id: e.id,
        typeId: e.entityTypeId,
        name: e.displayName,
        parentId,
        childCount: 0,
        archived: false,
        frozen: null,
        limits: [],
        shown: null,
        effective: null,
      });
    }
    if (!b.ids.includes(e.id)) b.ids.push(e.id);
  }

  private detach(id: string, parentId: string) {
    const b = this.branches.get(parentId);
    if (b) b.ids = b.ids.filter(x => x !== id);
    const parent = this.nodes.get(parentId);
    if (parent && parent.childCount > 0) parent.childCount--;
  }

  removed(assignmentId: string) {
    for (const n of this.nodes.values()) {
      const i = n.limits.findIndex(l => l.assignmentId === assignmentId);
      if (i >= 0) n.limits.splice(i, 1);
    }
  }

  /** The names from the root to an entity, as far as they are loaded. */
  pathTo(id: string): TreeNode[] {
    const up: TreeNode[] = [];
    for (let n = this.nodes.get(id); n && up.length < 10; n = n.parentId === null ? undefined : this.nodes.get(n.parentId)) up.unshift(n);
    return up;
  }

  /** The lines of the table, top to bottom. */
  visible(): Line[] {
    this.lines ??= flatten(this);
    return this.lines;
  }
}

/** What the table shows of what is loaded and open. */
export function flatten(s: Pick<TreeStore, "nodes" | "branches" | "open" | "flat" | "lens" | "limitOf">): Line[] {
  const lines: Line[] = [];
  type Frame = { parentId: string; branch: Branch; next: number; level: number; ceiling: Ceiling | null };
  const top = s.branches.get(rootKey);
  const stack: Frame[] = top ? [{ parentId: rootKey, branch: top, next: 0, level: 1, ceiling: null }] : [];
  for (let f = stack.at(-1); f; f = stack.at(-1)) {
    const { branch, level } = f;
    const node = s.nodes.get(branch.ids[f.next] ?? "");
    if (!node) {
      if (f.next < branch.ids.length) f.next++;
      else {
        stack.pop();
        if (branch.phase !== "done" || branch.loading || branch.error) lines.push({ kind: "more", parentId: f.parentId, level, branch });
      }
      continue;
    }
    f.next++;
    const limit = s.limitOf(node);
    // A list of limits of a period is of those that have one.
    if (s.flat && s.lens !== "" && !limit) continue;
    const size = branch.phase === "done" ? branch.ids.length : -1;
    const open = !s.flat && node.childCount > 0 && s.open.has(node.id);
    lines.push({ kind: "node", node, level, position: f.next, size, open, ceiling: f.ceiling, limit });
    const below = open ? s.branches.get(node.id) : undefined;
    if (below) stack.push({ parentId: node.id, branch: below, next: 0, level: level + 1, ceiling: lower(f.ceiling, node) });
  }
  return lines;
}

/** The ceiling for what is below a node: its own hard, node-wide limits count, scoped ones need not apply. */
function lower(ceiling: Ceiling | null, node: TreeNode): Ceiling | null {
  if (node.archived) return ceiling;
  for (const l of node.limits) {
    if (l.enforcement !== "hard" || l.scopeEntityIds.length > 0 || l.remaining === null) continue;
    if (!ceiling || less(l.remaining, ceiling.remaining)) ceiling = { remaining: l.remaining, node };
  }
  return ceiling;
}

/** The limit that a line shows when an entity has several, until it is chosen: the fullest. */
export function tightest(limits: TreeRow[]): TreeRow | undefined {
  const used = (l: TreeRow) => (l.utilization === null ? -1 : Number(l.utilization));
  return limits.reduce<TreeRow | undefined>((best, l) => (best && used(best) >= used(l) ? best : l), undefined);
}
