import { formatExact } from "../api/amount";
import { count, dateFormat } from "../api/locale";
import type { Overview } from "../api/types";

const clock = dateFormat({ hour: "2-digit", minute: "2-digit" });
const at = (iso: string) => clock(new Date(iso));

/** The least of 1, 2, 5, 10, 20, … that n fits below: where an axis may end. */
function round(n: number): number {
  const ten = 10 ** Math.floor(Math.log10(Math.max(1, n)));
  return ([1, 2, 5].find(f => f * ten >= n) ?? 10) * ten;
}

/** Granted and denied requests of each minute, stacked, on an axis from 0. */
export function Minutes({ minutes }: { minutes: Overview["minutes"] }) {
  const most = Math.max(...minutes.map(m => m.granted + m.denied));
  const top = Math.max(2, round(most));
  const width = 100 / Math.max(1, minutes.length);
  const y = (n: number) => 100 - (n / top) * 100;
  const middle = minutes[Math.floor(minutes.length / 2)];
  return (
    <section className="panel">
      <header>
        <h2 className="grow">Requests per minute</h2>
        <span className="small muted row">
          <span className="key granted" /> granted <span className="key denied" /> denied
        </span>
      </header>
      <div className="body minutes">
        <div className="axis num small muted" aria-hidden>
          <span>{count(top)}</span>
          <span>{formatExact(top / 2)}</span>
          <span>0</span>
        </div>
        <svg
          viewBox="0 0 100 100"
          preserveAspectRatio="none"
          role="img"
          aria-label={`Requests of the last ${minutes.length} minutes, at most ${most} in one`}
        >
          {[0, 50, 100].map(v => (
            <line key={v} x1="0" x2="100" y1={v} y2={v} vectorEffect="non-scaling-stroke" />
          ))}
          {minutes.map((m, i) => (
            <g key={m.timestamp}>
              <title>{`${at(m.timestamp)}: ${m.granted} granted, ${m.denied} denied, ${m.usageEvents} usage events`}</title>
              <rect className="free" x={i * width} width={width} y={0} height={100} />
              <rect className="granted" x={(i + 0.12) * width} width={width * 0.76} y={y(m.granted)} height={100 - y(m.granted)} />
              <rect className="denied" x={(i + 0.12) * width} width={width * 0.76} y={y(m.granted + m.denied)} height={100 - y(m.denied)} />
            </g>
          ))}
        </svg>
        <div className="times num small muted" aria-hidden>
          <span>{minutes[0] && at(minutes[0].timestamp)}</span>
          <span>{middle && at(middle.timestamp)}</span>
          <span>now</span>
        </div>
      </div>
    </section>
  );
}
