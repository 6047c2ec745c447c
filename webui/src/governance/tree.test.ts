import { expect, it } from "vitest";
import { Api } from "../api/client";
import type { Capability, Denial, Node, Tree, TreeRow } from "../api/types";
import { refusalsOf } from "./denials";
import { flatten, rootKey, statusOf, TreeStore, tightest } from "./tree";

const credits: Capability = { kind: "currency", id: "credits", name: "Credits", unit: "credits" };

function row(id: string, parentId: string | null, more: Partial<TreeRow> = {}): TreeRow {
  const none = { usageLimit: null, currentUsage: null, utilization: null, cadence: null, usagePeriodStart: null, usagePeriodEnd: null };
  const rest = { assignmentId: null, label: null, enforcement: null, reserved: null, remaining: null, status: null, archivedAt: null };
  return {
    entityId: id,
    entityTypeId: "team",
    displayName: id.toUpperCase(),
    parentId,
    scopeEntityIds: [],
    childCount: 0,
    ...none,
    ...rest,
    ...more,
  };
}
const limit = (remaining: number | null, more: Partial<TreeRow> = {}): Partial<TreeRow> => ({
  assignmentId: `a${remaining}`,
  label: "",
  enforcement: "hard",
  usageLimit: remaining === null ? null : 100,
  currentUsage: 100 - (remaining ?? 0),
  reserved: 0,
  remaining,
  utilization: remaining === null ? null : 1 - remaining / 100,
  status: "ok",
  ...more,
});

/** A server that knows a few rows. */
function fake(rows: TreeRow[]): TreeStore {
  const api = new Api("", () => "");
  api.get = async <T>(_: string, q: Record<string, unknown> = {}): Promise<T> => {
    const limits = Array.isArray(q.currencyIds);
    const data = rows.filter(
      r =>
        (r.assignmentId !== null) === limits &&
        (q.parentId === undefined || r.parentId === q.parentId) &&
        (q.depth === undefined || r.parentId === null),
    );
    const tree: Tree = { data, pagination: { next: null }, asOf: "" };
    return tree as T;
  };
  return new TreeStore(api, "acme", credits);
}

const rows = [
  row("org", null, { childCount: 3 }),
  row("org", null, { childCount: 3, ...limit(40) }),
  row("a", "org"),
  row("b", "org", { childCount: 1 }),
  row("c", "org"),
  row("c", "org", limit(5)),
  row("d", "b"),
];
const ids = (s: TreeStore) => s.visible().map(l => (l.kind === "node" ? `${"  ".repeat(l.level - 1)}${l.node.id}` : "more"));

it("shows limited entities first, then the others, and what is open", async () => {
  const s = fake(rows);
  await s.load(rootKey);
  expect(ids(s)).toEqual(["org"]);
  await s.toggle("org");
  expect(ids(s)).toEqual(["org", "  c", "  a", "  b"]);
  await s.toggle("b");
  expect(ids(s)).toEqual(["org", "  c", "  a", "  b", "    d"]);
  s.closeAll();
  expect(ids(s)).toEqual(["org"]);
});

it("reads everything at once to the same lines", async () => {
  const s = fake(rows);
  await s.openAll(() => {});
  expect(ids(s)).toEqual(["org", "  c", "  a", "  b", "    d"]);
});

it("tells which ancestor leaves the least", async () => {
  const s = fake(rows);
  await s.openAll(() => {});
  const c = s.visible().find(l => l.kind === "node" && l.node.id === "d");
  expect(c?.kind === "node" && c.ceiling?.node.id).toBe("org");
});

it("follows entities that move, appear and go", async () => {
  const s = fake(rows);
  await s.openAll(() => {});
  const base = { entityTypeId: "team", displayName: null, revision: "", metadata: {}, createdAt: "", updatedAt: "", archivedAt: null };
  s.entity({ ...base, id: "a", parentId: "b" });
  s.entity({ ...base, id: "e", parentId: "org" });
  s.entity({ ...base, id: "c", parentId: "org", archivedAt: "2026-01-01T00:00:00Z" });
  s.changed();
  expect(ids(s)).toEqual(["org", "  b", "    d", "    a", "  e"]);
});

it("flattens 100,000 lines quickly", () => {
  const s = fake([]);
  const b = (list: string[]) => ({ ids: list, phase: "done" as const, cursor: "", loading: false, error: null });
  const top = Array.from({ length: 100 }, (_, i) => `t${i}`);
  s.branches.set(rootKey, b(top));
  for (const t of top) {
    s.put(row(t, null, { childCount: 1000 }));
    s.open.add(t);
    const kids = Array.from({ length: 1000 }, (_, i) => `${t}.${i}`);
    for (const k of kids) s.put(row(k, t));
    s.branches.set(t, b(kids));
  }
  const start = performance.now();
  expect(flatten(s).length).toBe(100_100);
  expect(performance.now() - start).toBeLessThan(2000);
});

it("notices periods that have ended", async () => {
  const past = { usagePeriodEnd: "2020-01-01T00:00:00Z" };
  const s = fake([row("org", null, { childCount: 1 }), row("a", "org", limit(5, past)), row("a", "org")]);
  await s.load(rootKey);
  expect(s.stale()).toEqual([]);
  await s.toggle("org");
  expect(s.stale()).toEqual(["org"]);
});

it("names how a limit stands", () => {
  const status = (more: Partial<TreeRow>) => statusOf(row("x", null, more), null);
  expect(status(limit(50))).toBe("ok");
  expect(status(limit(10, { status: "warning" }))).toBe("near");
  expect(status(limit(0, { status: "warning" }))).toBe("blocked");
  expect(status(limit(0, { status: "exceeded", enforcement: "soft" }))).toBe("over");
  expect(status(limit(null))).toBe("unlimited");
  expect(statusOf(undefined, null)).toBe("untracked");
  expect(
    statusOf(undefined, {
      remaining: 0,
      node: { id: "org", typeId: "", name: null, parentId: null, childCount: 0, archived: false, limits: [] },
    }),
  ).toBe("above");
  expect(tightest([row("x", null, limit(50)), row("x", null, limit(10))])?.remaining).toBe(10);
});

it("calls a limit full that refuses what is asked of it", () => {
  const node = (more: Partial<Node>) => ({ assignmentId: "a0.6", enforcement: "hard", isGranted: false, requested: 2, ...more }) as Node;
  const denial = (timestamp: string, n: Node) => ({ timestamp, chains: [[n], [n]] }) as Denial;
  const period = { usagePeriodStart: "2026-01-02T00:00:00Z", status: "warning" as const };
  const row1 = row("x", null, limit(0.6, period));
  const status = (l: TreeRow, ...denials: Denial[]) => statusOf(l, null, refusalsOf(denials));
  const during = "2026-01-02T10:00:00Z";
  expect(status(row1)).toBe("near");
  expect(status(row1, denial(during, node({})))).toBe("full");
  expect(status(row1, denial(during, node({ requested: 0.5 })), denial(during, node({})))).toBe("full");
  expect(status(row1, denial("2026-01-01T10:00:00Z", node({})))).toBe("near");
  expect(status(row1, denial(during, node({ requested: 0.5 })))).toBe("near");
  expect(status(row1, denial(during, node({ isGranted: true })))).toBe("near");
  expect(status(row1, denial(during, node({ enforcement: "soft" })))).toBe("near");
  expect(status(row("x", null, limit(0.6, { ...period, status: "ok" })), denial(during, node({})))).toBe("ok");
  const fuller = row("x", null, limit(0.1, { ...period, assignmentId: "other" }));
  expect(tightest([fuller, row1], refusalsOf([denial(during, node({}))]))).toBe(row1);
  expect(tightest([fuller, row1])).toBe(fuller);
});
