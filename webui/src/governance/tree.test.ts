import { expect, it } from "vitest";
import { Api } from "../api/client";
import type { Capability, Tree, TreeRow } from "../api/types";
import { alone, standingOf } from "./standing";
import { flatten, rootKey, type TreeNode, TreeStore, tightest } from "./tree";

const credits: Capability = { kind: "currency", id: "credits", name: "Credits", unit: "credits", counts: "sum" };

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
    refused: null,
    effective: null,
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
  const status = (more: Partial<TreeRow>) => alone(row("x", null, more));
  expect(status(limit(50))).toBe("ok");
  expect(status(limit(10, { status: "warning" }))).toBe("near");
  expect(status(limit(0, { status: "warning" }))).toBe("blocked");
  expect(status(limit(0, { status: "exceeded", enforcement: "soft" }))).toBe("over");
  expect(status(limit(null))).toBe("unlimited");
  expect(alone(undefined)).toBe("untracked");
  expect(tightest([row("x", null, limit(50)), row("x", null, limit(10))])?.remaining).toBe(10);
});

it("calls a limit full that lately refused more than is left", () => {
  const refused = (requested: number, more = {}) =>
    alone(row("x", null, limit(0.6, { status: "warning", refused: { at: "", requested }, ...more })));
  expect(refused(2)).toBe("full");
  expect(refused(0.5)).toBe("near");
  expect(refused(2, { status: "ok" })).toBe("ok");
});

it("is blocked by what is above, or by another limit of its own, until that has come free", () => {
  const node = { id: "x", effective: null };
  const by = {
    source: "ENTITY",
    assignmentId: "up",
    entityId: "org",
    displayName: "Org",
    label: "",
    cadence: "P1M",
    resetsAt: null,
  } as const;
  const effective = { status: "blocked", remaining: 0, by } as const;
  const own = row("x", "org", limit(50, { effective }));
  expect(standingOf(node, own, null)).toEqual({ status: "above", cause: "Org, per month" });
  expect(standingOf({ id: "x", effective }, undefined, null).status).toBe("above");
  expect(standingOf(node, own, null, () => row("org", null, limit(5))).status).toBe("ok");
  expect(standingOf(node, row("x", "org", limit(50)), { remaining: 0, node: { name: "Org" } as TreeNode })).toEqual({
    status: "above",
    cause: "Org",
  });
  const surge = { ...effective, by: { ...by, entityId: "x", displayName: "X", label: "surge", cadence: "PT15M" } };
  expect(standingOf(node, row("x", "org", limit(50, { effective: surge })), null)).toEqual({
    status: "blocked",
    cause: "X, “surge” per 15 min",
  });
  const frozen = { entityId: "org", reason: "runaway", frozenAt: "2026-01-01T00:00:00Z" };
  expect(standingOf(node, row("x", "org", limit(50, { frozen })), null)).toEqual({ status: "frozen", cause: "org is frozen: runaway" });
  expect(standingOf({ id: "x", effective: null, frozen: { ...frozen, entityId: null } }, undefined, null)).toEqual({
    status: "frozen",
    cause: "The customer is frozen: runaway",
  });
  const little = { status: "warning", remaining: 0.05, by } as const;
  expect(standingOf(node, row("x", "org", limit(50, { effective: little })), null).status).toBe("near");
});

it("a line goes on showing the limit that it showed", async () => {
  const [month, surge] = [limit(60, { cadence: "P1M", assignmentId: "m" }), limit(80, { cadence: "PT15M", assignmentId: "s" })];
  const s = fake([row("org", null, month), row("org", null, surge), row("org", null)]);
  await s.load(rootKey);
  const shown = () => {
    s.changed();
    const [line] = s.visible();
    return line?.kind === "node" ? line.limit?.assignmentId : "";
  };
  expect(shown()).toBe("m");
  s.put(row("org", null, { ...surge, remaining: 0, utilization: 1 }));
  expect(shown()).toBe("m");
  s.look("PT15M");
  expect(shown()).toBe("s");
  s.look("P1D");
  expect(shown()).toBeUndefined();
});
