import { formatExact, formatShort } from "../api/amount";
import type { Amount } from "../api/json";

const room = 16;

/** An amount with all its digits; one that is too long for its place is short until it is pointed at or has the focus. */
export function Full({ v, unit }: { v: Amount; unit?: string }) {
  const exact = formatExact(v);
  const after = unit && <span className="muted"> {unit}</span>;
  if (exact.length <= room)
    return (
      <span className="num">
        {exact}
        {after}
      </span>
    );
  return (
    <span className="num brief" tabIndex={0}>
      <span className="short" aria-hidden>
        {formatShort(v)}
      </span>
      <span className="exact">{exact}</span>
      {after}
    </span>
  );
}
