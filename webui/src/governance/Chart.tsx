import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { approx, formatShort } from "../api/amount";
import { dateFormat } from "../api/locale";
import type { Line } from "./usage";

// Apart in lightness as well as in hue, and never without the name beside.
const strokes = ["--bursar-accent", "--bursar-near-bar", "--bursar-ok", "--bursar-blocked", "--bursar-muted", "--bursar-over"];

const days = dateFormat({ day: "numeric", month: "short" });
const instants = dateFormat({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const whole = dateFormat({ weekday: "short", day: "numeric", month: "short" });
const hours = dateFormat({ hour: "2-digit", minute: "2-digit" });

/** Usage per step: bars of one series, lines of several. The table beside it has the digits. */
type Props = { series: Line[]; unit: string; bars: boolean /** Steps are days or more. */; days: boolean };

export default function Chart({ series, unit, bars, days: daily }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = ref.current;
    if (!el) return;
    const css = getComputedStyle(document.documentElement);
    const colour = (name: string) => css.getPropertyValue(name).trim();
    const times = [...new Set(series.flatMap(l => l.points.map(p => Date.parse(p.timestamp) / 1000)))].sort((a, b) => a - b);
    const step = (times[1] ?? 0) - (times[0] ?? 0) || 3600;
    const at = new Map(times.map((t, i) => [t, i]));
    const values = series.map(l => {
      const v: (number | null)[] = times.map(() => 0);
      for (const p of l.points) v[at.get(Date.parse(p.timestamp) / 1000) ?? 0] = approx(p.value);
      return v;
    });
    const paths = bars && series.length === 1 ? uPlot.paths.bars?.({ size: [0.7, 40] }) : undefined;
    const axis = {
      stroke: colour("--bursar-muted"),
      grid: { stroke: colour("--bursar-border"), width: 1 },
      ticks: { show: false },
      font: "12px Inter, system-ui, sans-serif",
    };
    const plot = new uPlot(
      {
        width: el.clientWidth,
        height: 200,
        cursor: { y: false, points: { size: 6 } },
        legend: { show: true, live: true },
        scales: {
          x: { time: true, range: (_, min, max) => [min - step / 2, max + step / 2] },
          y: { range: (_, __, max) => [0, max || 1] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: 64,
            values: (_, ticks) => ticks.map(t => (daily ? days : hours)(new Date(t * 1000))),
          },
          { ...axis, size: 56, values: (_, ticks) => ticks.map(t => formatShort(t)) },
        ],
        series: [
          {
            label: daily ? "Day" : "From",
            value: (_, t) => (t ? (daily ? whole : instants)(new Date(t * 1000)) : "–"),
          },
          ...series.map((l, i) => ({
            label: l.name,
            stroke: colour(strokes[i % strokes.length] ?? "--bursar-accent"),
            fill: paths ? colour("--bursar-accent") : undefined,
            width: paths ? 0 : 1.75,
            paths,
            points: { show: !paths && times.length < 3 },
            value: (_: uPlot, v: number | null) => (v === null || v === undefined ? "–" : `${formatShort(v)} ${unit}`),
          })),
        ],
      },
      [times, ...values] as uPlot.AlignedData,
      el,
    );
    const seen = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: 200 }));
    seen.observe(el);
    return () => {
      seen.disconnect();
      plot.destroy();
    };
  }, [series, unit, bars, daily]);
  return (
    <div
      ref={ref}
      className="chart"
      role="img"
      aria-label={`Usage over time of ${series.map(l => l.name).join(", ")}; the table has the figures`}
    />
  );
}
