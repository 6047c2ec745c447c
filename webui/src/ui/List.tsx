import type { UseQueryResult } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button, Empty, Reading } from ".";
import { type Key, type Order, SortHead, sorted } from "./Sort";

export type Column<T> = {
  head: ReactNode;
  cell: (row: T, index: number) => ReactNode;
  look?: string;
  /** By what rows are put in order when its head is chosen. */
  by?: (row: T) => Key;
};

type TableProps<T> = {
  rows: T[];
  columns: (Column<T> | false)[];
  id: (row: T, index: number) => string;
  /** Buttons at the end of a row. */
  actions?: (row: T) => ReactNode;
  look?: string;
};

/** A table that scrolls within itself where it is wider than its place. */
export function Table<T>({ rows, columns, id, actions, look = "" }: TableProps<T>) {
  const shown = columns.filter(c => c !== false);
  const [order, setOrder] = useState<Order | null>(null);
  const by = order && shown[order.column]?.by;
  const list = order && by ? sorted(rows, by, order.down) : rows;
  return (
    <div className={`table-wrap ${look}`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {shown.map((c, i) =>
              c.by ? (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns stay in their places
                <SortHead key={i} look={c.look?.includes("right") ? "right" : ""} order={order} column={i} onOrder={setOrder}>
                  {c.head}
                </SortHead>
              ) : (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns stay in their places
                <th key={i} className={c.look?.includes("right") ? "right" : undefined}>
                  {c.head}
                </th>
              ),
            )}
            {actions && (
              <th>
                <span className="hidden">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {list.map((row, n) => (
            <tr key={id(row, n)}>
              {shown.map((c, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns stay in their places
                <td key={i} className={c.look}>
                  {c.cell(row, n)}
                </td>
              ))}
              {actions && <td className="right nowrap">{actions(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type ListProps<T extends { id: string }> = Omit<TableProps<T>, "rows" | "id"> & {
  about: ReactNode;
  add: string;
  onAdd: () => void;
  got: UseQueryResult<T[]>;
  none: { title: string; text?: string };
  children?: ReactNode;
};

/** A list of what was made, with what it is about and a way to add one. Its dialogs are its children. */
export function List<T extends { id: string }>({ about, add, onAdd, got, none, children, ...table }: ListProps<T>) {
  return (
    <>
      <div className="row between wrap">
        <p className="muted about">{about}</p>
        <Button look="primary" icon={<Plus size={15} />} onClick={onAdd}>
          {add}
        </Button>
      </div>
      <Reading got={got} />
      {got.data?.length === 0 && <Empty title={none.title}>{none.text}</Empty>}
      {got.data && got.data.length > 0 && <Table {...table} rows={got.data} id={r => r.id} look="panel" />}
      {children}
    </>
  );
}

/** A button of a row. */
export function RowButton({ children, onClick, disabled }: { children: ReactNode; onClick: () => void; disabled?: boolean }) {
  return (
    <Button size="small" look="quiet" disabled={disabled} onClick={onClick}>
      {children}
    </Button>
  );
}
