import { Link } from "wouter";
import { Waiting } from "../ui";

const intoView = (link: HTMLElement | null) => link?.scrollIntoView({ block: "nearest", inline: "center" });

/** The parts of a page, as links. */
export function Parts({
  base,
  at,
  parts,
  counts = {},
  label,
}: {
  base: string;
  at: string;
  parts: readonly (readonly [string, string])[];
  /** Of parts that have something waiting: how much. */
  counts?: Record<string, string>;
  label: string;
}) {
  return (
    <nav className="tabs" aria-label={label}>
      {parts.map(([id, name]) => (
        <Link key={id} ref={at === id ? intoView : undefined} href={`${base}/${id}`} aria-current={at === id ? "page" : undefined}>
          {name}
          {counts[id] && <Waiting n={counts[id]} />}
        </Link>
      ))}
    </nav>
  );
}
