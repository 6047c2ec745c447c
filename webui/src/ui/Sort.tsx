import { ArrowDown, ArrowUp } from "lucide-react";
import type { ReactNode } from "react";

/** By which column rows are in order, and whether the highest are first. */
export type Order = { column: number; down: boolean };
export type Key = string | number | bigint | null;

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compare(a: Key, b: Key): number {
  if (typeof a === "string" || typeof b === "string") return collator.compare(String(a), String(b));
  return a === b ? 0 : (a as number) < (b as number) ? -1 : 1;
}

/** Rows by a value of each; those alike stay as they were, and those without one are last. */
export function sorted<T>(rows: T[], key: (row: T) => Key, down: boolean): T[] {
  return rows
    .map((row, i) => ({ row, i, key: key(row) }))
    .sort((a, b) => {
      if (a.key === null || b.key === null) return a.key === b.key ? a.i - b.i : a.key === null ? 1 : -1;
      return compare(a.key, b.key) * (down ? -1 : 1) || a.i - b.i;
    })
    .map(x => x.row);
}

type Props = { order: Order | null; column: number; onOrder: (o: Order) => void; look?: string; children: ReactNode };

/** The head of a column that puts the rows in its order; once more, the other way round. */
export function SortHead({ order, column, onOrder, look = "", children }: Props) {
  const mine = order?.column === column ? order : null;
  const Icon = mine?.down ? ArrowDown : ArrowUp;
  return (
    <th className={look || undefined} aria-sort={mine ? (mine.down ? "descending" : "ascending") : undefined}>
      <button type="button" className="sort" onClick={() => onOrder({ column, down: mine ? !mine.down : look.includes("right") })}>
        {children}
        {mine && <Icon size={13} aria-hidden />}
      </button>
    </th>
  );
}
