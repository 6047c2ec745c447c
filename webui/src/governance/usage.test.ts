import { expect, it } from "vitest";
import { grouped } from "./usage";

const at = (h: number) => `2026-11-28T0${h}:00:00Z`;
const series = (tags: string[], ...values: number[]) => ({
  untold: false,
  tags: tags.map((value, i) => ({ key: `k${i}`, value })),
  points: values.map((value, i) => ({ timestamp: at(i), value })),
});

it("adds up what is below a name, exactly, and puts the most used first", () => {
  const got = grouped([series(["a", "x"], 0.1, 0.2), series(["a", "y"], 0.2), series(["b", "x"], 7)]);
  expect(got.map(l => [l.id, String(l.total), l.parts.map(p => [p.id, String(p.total)])])).toEqual([
    ["b", "7", [["x", "7"]]],
    [
      "a",
      "0.5",
      [
        ["x", "0.3"],
        ["y", "0.2"],
      ],
    ],
  ]);
  expect(got[1]?.points).toEqual([
    { timestamp: at(0), value: "0.3" },
    { timestamp: at(1), value: "0.2" },
  ]);
});

it("without tags there is one line", () => expect(grouped([series([], 1, 2)])).toMatchObject([{ id: "", total: "3", parts: [] }]));

it("keeps what is not told apart beside what named nobody", () => {
  const told = series(["", "x"], 1);
  const not = { ...series(["", "x"], 2), untold: true };
  const got = grouped([told, not], new Set(["k0"]));
  expect(got.map(l => [l.id, l.untold, String(l.total), l.parts.map(p => [p.id, p.untold])])).toEqual([
    ["", true, "2", [["x", false]]],
    ["", false, "1", [["x", false]]],
  ]);
});
