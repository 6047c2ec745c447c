import { expect, it } from "vitest";
import type { Series } from "../api/types";
import {
  between,
  endOf,
  growth,
  lastDays,
  lastMonth,
  lastWeek,
  mainCadence,
  movers,
  offBy,
  running,
  sharesOf,
  sumsOf,
  thisMonth,
} from "./period";

const now = new Date(2026, 10, 4, 15, 30);
const at = (month: number, day: number) => new Date(2026, month - 1, day).toISOString();
const line = (id: string, points: [number, number, number][], untold = false): Series => ({
  tags: [{ key: "teamId", value: id }],
  untold,
  points: points.map(([month, day, value]) => ({ timestamp: at(month, day), value })),
});

it("a month is compared with as many whole days of the month before", () => {
  const p = thisMonth(now);
  expect([p.from.getDate(), p.before.getMonth(), p.days]).toEqual([1, 9, 4]);
  const [most, none] = sharesOf(
    [
      line("b", [
        [10, 1, 1],
        [10, 3, 1],
        [10, 4, 50],
        [10, 31, 50],
        [11, 1, 3],
        [11, 4, 7],
      ]),
      line("", [[11, 2, 1]], true),
    ],
    p,
  );
  expect(most).toMatchObject({ id: "b", total: "10", like: "3", was: "2", days: ["3", 0, 0, "7"] });
  expect(none).toMatchObject({ id: "", untold: true, total: "1" });
});

it("days are the reader's, up to and with today", () => {
  const p = lastDays(7, now);
  expect([p.from.getDate(), p.from.getMonth(), p.before.getDate(), p.days]).toEqual([29, 9, 22, 7]);
});

it("budgets by the month come first, and none that never ends", () => {
  expect(mainCadence(["P1D", "P1M", "P1Y"])).toBe("P1M");
  expect(mainCadence(["PT1H", "P1W", "P1D"])).toBe("P1W");
  expect(mainCadence(["P100Y"])).toBeNull();
});

it("growth is a share of what was, and nothing where nothing was", () => {
  expect(growth(141, 100)).toBe(0.41);
  expect(growth(50, 100)).toBe(-0.5);
  expect(growth(50, 0)).toBeNull();
});

it("movers are those that changed most, up or down", () => {
  const now = [line("up", [[11, 1, 5]]), line("same", [[11, 1, 4]]), line("", [[11, 1, 90]])];
  const before = [line("up", [[10, 1, 1]]), line("down", [[10, 2, 9]]), line("same", [[10, 1, 4]])];
  expect(movers(sumsOf(now, now, before), 5)).toMatchObject([
    { id: "down", like: 0, was: "9" },
    { id: "up", like: "5", was: "1" },
  ]);
});

it("a running total adds day after day", () => {
  expect(running(["1", 2, "0.5"])).toEqual([1, 3, 3.5]);
});

it("a week that is over begins on a Monday and is compared whole", () => {
  const p = lastWeek(now);
  expect([p.from, p.before, endOf(p)]).toEqual([new Date(2026, 9, 26), new Date(2026, 9, 19), new Date(2026, 10, 2)]);
  const [share] = sharesOf(
    [
      line("a", [
        [10, 25, 5],
        [10, 26, 1],
        [11, 1, 2],
        [11, 2, 9],
      ]),
    ],
    p,
  );
  expect(share).toMatchObject({ total: "3", like: "3", was: "5" });
});

it("a month that is over has all its days", () => {
  expect(lastMonth(now)).toMatchObject({ from: new Date(2026, 9, 1), before: new Date(2026, 8, 1), days: 31, whole: true });
});

it("days that are named are both in it, and none is to come", () => {
  expect(between("2026-11-01", "2026-11-04", now)).toMatchObject({ days: 4, whole: false, before: new Date(2026, 9, 28) });
  expect(between("2026-11-01", "2026-11-01", now)).toMatchObject({ days: 1, whole: true });
  expect(between("2026-11-02", "2026-11-01", now)).toBeNull();
  expect(between("2026-11-02", "2026-11-09", now)).toBeNull();
  expect(between("", "2026-11-01", now)).toBeNull();
});

it("a group is told apart further by the next key", () => {
  const two = (a: string, b: string, value: number): Series => ({
    tags: [
      { key: "model", value: a },
      { key: "teamId", value: b },
    ],
    untold: false,
    points: [{ timestamp: at(11, 1), value }],
  });
  const [m] = sharesOf([two("m", "x", 1), two("m", "y", 4)], thisMonth(now));
  expect([m?.total, m?.parts.map(x => [x.id, x.total])]).toEqual([
    "5",
    [
      ["y", "4"],
      ["x", "1"],
    ],
  ]);
});

it("at the end of a month no more days are compared than the month before has, and none twice", () => {
  expect(thisMonth(new Date(2026, 2, 31, 9))).toMatchObject({ before: new Date(2026, 1, 1), days: 31, like: 28, was: 28 });
  expect(thisMonth(new Date(2026, 2, 29, 9))).toMatchObject({ days: 29, like: 28, was: 28 });
  expect(thisMonth(new Date(2026, 2, 1, 9))).toMatchObject({ days: 1, like: 0, was: 0 });
  const each = (month: number, days: number): [number, number, number][] =>
    Array.from({ length: days }, (_, i): [number, number, number] => [month, i + 1, 1]);
  const [share] = sharesOf([line("a", [...each(2, 28), ...each(3, 31)])], thisMonth(new Date(2026, 2, 31, 9)));
  expect(share).toMatchObject({ total: "31", like: "28", was: "28" });
});

it("a month that is over is compared with the whole month before it", () => {
  expect(lastMonth(new Date(2026, 2, 5))).toMatchObject({ before: new Date(2026, 0, 1), days: 28, like: 28, was: 31 });
  const [share] = sharesOf(
    [
      line("a", [
        [1, 1, 1],
        [1, 31, 2],
        [2, 1, 4],
        [2, 28, 8],
        [3, 1, 16],
      ]),
    ],
    lastMonth(new Date(2026, 2, 5)),
  );
  expect(share).toMatchObject({ total: "12", like: "12", was: "3" });
});

it("groups are told by their sums, those that are gone with them", () => {
  const [b, a, gone] = sumsOf([line("a", [[11, 1, 1]]), line("b", [[11, 1, 3]])], [line("b", [[11, 1, 2]])], [line("gone", [[10, 1, 9]])]);
  expect([b, a, gone]).toMatchObject([
    { id: "b", total: "3", like: "2", was: 0 },
    { id: "a", total: "1", like: 0 },
    { id: "gone", total: 0, was: "9" },
  ]);
});

it("a window is beside the month by as much as it begins or ends elsewhere", () => {
  const [from, to] = [new Date(2026, 10, 1), new Date(2026, 11, 1)];
  expect(offBy(from, to, from.toISOString(), to.toISOString())).toBe(0);
  expect(offBy(from, to, new Date(2026, 9, 31, 23).toISOString(), to.toISOString())).toBe(3_600_000);
  expect(offBy(from, to, new Date(2026, 10, 15).toISOString(), new Date(2026, 11, 15).toISOString())).toBe(14 * 86_400_000);
  expect(offBy(from, to, null, null)).toBeGreaterThan(86_400_000);
});
