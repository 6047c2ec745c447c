import { Link } from "wouter";

const intoView = (link: HTMLElement | null) => link?.scrollIntoView({ block: "nearest", inline: "center" });

/** The parts of a page, as links. */
export function Parts({
  base,
  at,
  parts,
  label,
}: {
  base: string;
  at: string;
  parts: readonly (readonly [string, string])[];
  label: string;
}) {
  return (
    <nav className="tabs" aria-label={label}>
      {parts.map(([id, name]) => (
        <Link key={id} ref={at === id ? intoView : undefined} href={`${base}/${id}`} aria-current={at === id ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
}
