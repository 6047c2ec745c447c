import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { add, differenceWords, formatExact, formatShort, isZero, less, sub } from "../api/amount";
import { Problem } from "../api/client";
import type { Amount, Exact } from "../api/json";
import { count } from "../api/locale";
import { editable, readAmount } from "../api/typed";
import type { Assignment, TreeRow } from "../api/types";
import { perCadence } from "../lib/time";
import { Button, Checkbox, Dialog, Empty, Notice, Reading, Trouble, UsageBar, useAction } from "../ui";
import { keptOf, StillHere, useKeeping } from "../ui/kept";
import { previewDays, useBacktest } from "./Backtest";
import { type Child, type Found, mostShown, readChildren } from "./children";
import { byDefault, ownWords } from "./Default";
import { limitWords, unitOf, WhichLimit } from "./Limit";
import { inputOf, type LimitInput } from "./limit";
import { useNames } from "./names";
import { putLimits, useSession } from "./session";
import { byWeights, evenly, readPercent, scaled, shareKey } from "./share";

const mostAtOnce = 100;

/** on: the revision of the limit that was shown when the first was typed; "none": there was none. */
type Share = { typed: Record<string, { text: string; on: string }>; soFar: boolean };
const untouched: Share = { typed: {}, soFar: true };

/** Shares a limit out over those directly below: each one's limit, last month's usage, and what is left over. */
export default function Allocate({ limit, row, onClose }: { limit: Assignment; row: TreeRow | undefined; onClose: () => void }) {
  const s = useSession();
  const name = useNames([limit.entityId]);
  const got = useQuery({
    queryKey: ["children", s.customerId, limit.id],
    queryFn: () => readChildren(s, limit, row),
    staleTime: 0,
    refetchOnWindowFocus: false,
  });
  const key = shareKey(s, limit);
  const [draft, setDraft] = useState<Share>(() => ({ ...untouched, ...keptOf<Share>(key)?.state }));
  const [moved, setMoved] = useState<string[]>([]);
  const run = useAction();
  const children = got.data?.children ?? [];
  const drafts = children.map(c => draftOf(c, draft.typed[c.id]));
  const changed = drafts.filter(d => d.input !== null);
  const maySoFar = !/^PT([1-9]|1[0-4])M$/.test(limit.cadence);
  const inputs = changed.map(d => inputFor(limit, d, draft.soFar && maySoFar));
  const typedIds = Object.keys(draft.typed);
  const given = changed.filter(d => d.child.limit?.defaultOf).length;
  const gone = got.data ? typedIds.filter(id => !children.some(c => c.id === id)) : [];
  const keeping = useKeeping(key, `Shares below ${name(limit.entityId)}`, draft, typedIds.length > 0, run.busy);
  const backtest = useBacktest(inputs.length > mostAtOnce ? [] : inputs);
  const stops = new Map(backtest.found?.drafts.map(d => [changed[d.index]?.child.id ?? "", d.stopped]));
  const stopped = backtest.found?.drafts.reduce((n, d) => n + (inputs[d.index]?.enforcement === "soft" ? 0 : d.stopped), 0);
  const bad = drafts.some(d => d.problem !== null);
  const fresh = changed.some(d => d.child.limit === null);
  // What was typed stands beside another limit than the one it was typed for.
  const other = drafts.filter(d => d.on !== null && d.on !== revisionOf(d.child)).map(d => d.child.name);
  const shownMoved = [...new Set([...moved, ...other])];
  const close = () => {
    keeping.over();
    onClose();
  };
  const fill = (of: Map<string, Exact>) => {
    const typed: Share["typed"] = {};
    for (const c of children) {
      const v = of.get(c.id);
      if (v && !(c.limit?.usageLimit != null && isZero(sub(c.limit.usageLimit, v.text))))
        typed[c.id] = { text: editable(v.text), on: revisionOf(c) };
    }
    setMoved([]);
    setDraft(d => ({ ...d, typed }));
  };
  /** What is there now was shown: what is typed is based on it from here. */
  const rebase = (now: Child[]) =>
    setDraft(d => ({
      ...d,
      typed: Object.fromEntries(now.flatMap(c => (d.typed[c.id] ? [[c.id, { text: d.typed[c.id]?.text ?? "", on: revisionOf(c) }]] : []))),
    }));

  const apply = () =>
    run.start(async () => {
      // The sum that was looked at is of what was there: what has changed since is shown first.
      const now = (await got.refetch({ throwOnError: true })).data?.children ?? [];
      const news = differing(children, now, draft.typed);
      if (news.length > 0) {
        setMoved(news);
        rebase(now);
        return;
      }
      try {
        const before = changed.flatMap(d => d.child.limit ?? []);
        const { undo } = await putLimits(s, inputs, before);
        keeping.over();
        s.wrote({
          text: `${inputs.length === 1 ? "One limit" : `${count(inputs.length)} limits`} below ${name(limit.entityId)} set`,
          entityIds: changed.map(d => d.child.id),
          undo,
        });
        onClose();
      } catch (e) {
        const where = conflicting(e);
        if (where === null) throw e;
        const read = (await got.refetch()).data?.children ?? [];
        setMoved(where.flatMap(i => changed[i]?.child.name ?? []));
        rebase(read);
      }
    });

  return (
    <Dialog
      title={`Share out the limit of ${name(limit.entityId)}`}
      kind="wide"
      onClose={onClose}
      foot={
        <>
          <span className="small muted grow share-note" role="status" aria-busy={backtest.asking}>
            {changed.length > 0 && (
              <Stops asking={backtest.asking} failed={backtest.got.isError} stopped={stopped} tooMany={changed.length > mostAtOnce} />
            )}
          </span>
          <Button onClick={close}>Cancel</Button>
          <Button
            look="primary"
            busy={run.busy}
            disabled={bad || changed.length === 0 || changed.length > mostAtOnce || got.isFetching}
            onClick={apply}
          >
            Apply {changed.length > 0 ? count(changed.length) : ""}
          </Button>
        </>
      }
    >
      <div className="stack" data-kept>
        <StillHere since={got.data ? keeping.since : null} onDiscard={() => setDraft(untouched)} />
        <WhichLimit limit={limit} />
        <Reading got={got} lines={6} />
        {shownMoved.length > 0 && (
          <Notice kind="warn">
            Somebody else has changed{" "}
            {shownMoved.length === 1 ? `the limit of ${shownMoved[0]}` : `${count(shownMoved.length)} of these limits`} meanwhile. Nothing
            is applied yet: what is there now is shown below, beside what you typed.
          </Notice>
        )}
        {gone.length > 0 && (
          <Notice kind="warn">
            {gone.length === 1 ? "One that you typed for is" : `${count(gone.length)} that you typed for are`} not below it any more, and
            left out.
          </Notice>
        )}
        {got.data && children.length === 0 && <Empty title={`Nobody is below ${name(limit.entityId)}`} />}
        {children.length > 0 && got.data && (
          <>
            {got.data.more ? (
              <Notice kind="warn">
                More than {count(mostShown)} are below it: the first {count(mostShown)} are shown and added up, and filling is left out.
              </Notice>
            ) : (
              <Fill limit={limit} of={children} onFill={fill} />
            )}
            <Sum limit={limit} drafts={drafts} found={got.data} />
            <Grid
              found={got.data}
              drafts={drafts}
              stops={stops}
              asking={backtest.asking}
              limit={limit}
              soFar={draft.soFar && maySoFar}
              onType={(id, text) => {
                setDraft(d => {
                  const c = children.find(x => x.id === id);
                  const typed = { ...d.typed, [id]: { text, on: d.typed[id]?.on ?? (c ? revisionOf(c) : "none") } };
                  if (text.trim() === "") delete typed[id];
                  return { ...d, typed };
                });
              }}
            />
            {given > 0 && (
              <Notice>
                {given === 1 ? "One of these has its limit" : `${count(given)} of these have their limits`} by default. A share is a limit
                of its own, which {ownWords}.
              </Notice>
            )}
            {fresh && maySoFar && (
              <Checkbox checked={draft.soFar} onChange={soFar => setDraft(d => ({ ...d, soFar }))}>
                New limits count what was used {perCadence(limit.cadence) === "for all time" ? "" : "in the period "}so far; else they begin
                at 0
              </Checkbox>
            )}
            {changed.length > mostAtOnce && (
              <Notice kind="warn">
                At most {count(mostAtOnce)} limits are applied at once; these are {count(changed.length)}: empty some of the fields, and do
                them afterwards.
              </Notice>
            )}
          </>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

type Row = {
  child: Child;
  text: string;
  on: string | null;
  /** What the limit is to be; null: it stays as it is. */
  input: Exact | null;
  problem: string | null;
};

const revisionOf = (c: Child) => c.limit?.revision ?? "none";

function draftOf(child: Child, typed: { text: string; on: string } | undefined): Row {
  const text = typed?.text ?? "";
  const { amount, problem } = readAmount(text);
  const now = child.limit?.usageLimit;
  const stays = amount !== null && now != null && isZero(sub(now, amount.text));
  return { child, text, on: typed?.on ?? null, input: stays ? null : amount, problem };
}

/** A new limit is as the one that it is a share of: it begins anew when that does. */
function inputFor(parent: Assignment, d: Row, soFar: boolean): LimitInput {
  const ifMatch = d.on ?? revisionOf(d.child);
  if (d.child.limit) return { ...inputOf(d.child.limit), usageLimit: d.input, ifMatch };
  const begins = soFar ? { countFrom: "periodStart" as const } : {};
  return { ...inputOf(parent), entityId: d.child.id, usageLimit: d.input, allocation: "none", ifMatch, ...begins };
}

/** Those whose limit is another than was shown, or than what was typed is based on; and who came or went. */
function differing(shown: Child[], now: Child[], typed: Share["typed"]): string[] {
  const was = new Map(shown.map(c => [c.id, c]));
  const is = new Set(now.map(c => c.id));
  return [
    ...now.filter(c => !was.has(c.id) || revisionOf(c) !== (typed[c.id]?.on ?? revisionOf(was.get(c.id) as Child))),
    ...shown.filter(c => !is.has(c.id)),
  ].map(c => c.name);
}

/** Which items of a refused write are based on what is no longer so. */
function conflicting(e: unknown): number[] | null {
  if (!(e instanceof Problem) || e.body.code !== "RevisionMismatch") return null;
  return (e.body.conflicts ?? []).flatMap(c => /^\/assignments\/(\d+)/.exec(c.pointer)?.[1] ?? []).map(Number);
}

function Stops({ asking, failed, stopped, tooMany }: { asking: boolean; failed: boolean; stopped: number | undefined; tooMany: boolean }) {
  if (tooMany) return null;
  if (asking) return <>Looking up what these would have stopped…</>;
  if (failed || stopped === undefined) return <>What these would have stopped is not known.</>;
  if (stopped === 0) return <>In the last {previewDays} days these would have stopped nothing.</>;
  return (
    <span className="ink-bad">
      In the last {previewDays} days these would have stopped requests {stopped === 1 ? "once" : `${count(stopped)} times`}.
    </span>
  );
}

/** Fills the grid: even, as last month's usage was, or by percent of what is there. */
function Fill({ limit, of: children, onFill }: { limit: Assignment; of: Child[]; onFill: (of: Map<string, Exact>) => void }) {
  const s = useSession();
  const [percent, setPercent] = useState("+10");
  const total = limit.usageLimit ?? 0;
  const may = children.filter(c => s.mayEdit(c.id));
  const users = may.filter(c => less(0, c.lastMonth ?? 0));
  const idle = may.filter(c => !users.includes(c));
  // Nobody is stopped for having used nothing last month: those keep what they have.
  const kept = idle.reduce<Amount>((sum, c) => add(sum, c.limit?.usageLimit ?? 0), 0);
  const free = sub(total, kept);
  const shares = less(0, free)
    ? byWeights(
        free,
        users.map(c => c.lastMonth ?? 0),
      )
    : null;
  const factor = readPercent(percent);
  const limited = may.filter(c => c.limit?.usageLimit != null);
  const map = (list: Child[], of: (Exact | undefined)[]) => new Map(list.flatMap((c, i) => (of[i] ? [[c.id, of[i]] as const] : [])));
  const byPercent = () => {
    if (factor !== null && factor >= -100)
      onFill(
        map(
          limited,
          limited.map(c => scaled(c.limit?.usageLimit ?? 0, factor)),
        ),
      );
  };
  return (
    <div className="row wrap">
      <span className="small strong">Fill</span>
      <Button
        size="small"
        title={may.some(c => c.limit && c.limit.usageLimit === null) ? "Those that are unlimited get a limit, too" : undefined}
        onClick={() => onFill(map(may, evenly(total, may.length)))}
      >
        Evenly
      </Button>
      {
        <Button
          size="small"
          disabled={!shares}
          title={
            shares
              ? idle.length > 0
                ? `${count(idle.length)} used nothing and keep what they have`
                : undefined
              : users.length === 0
                ? "Nothing was used last month"
                : "Those that used nothing last month have all of it"
          }
          onClick={() => shares && onFill(map(users, shares))}
        >
          By last month
        </Button>
      }
      <form
        className="row percent"
        onSubmit={e => {
          e.preventDefault();
          byPercent();
        }}
      >
        <input
          className="input"
          aria-label="Percent"
          aria-invalid={factor === null || factor < -100 || undefined}
          value={percent}
          onChange={e => setPercent(e.target.value)}
        />
        <Button size="small" type="submit" disabled={limited.length === 0 || factor === null || factor < -100}>
          By percent
        </Button>
      </form>
      <Button size="small" look="quiet" onClick={() => onFill(new Map())}>
        Clear
      </Button>
    </div>
  );
}

/** What the shares come to, beside the limit that they are of. */
function Sum({ limit, drafts, found }: { limit: Assignment; drafts: Row[]; found: Found }) {
  const s = useSession();
  const total = limit.usageLimit ?? 0;
  const values = drafts.map(d => d.input?.text ?? d.child.limit?.usageLimit ?? null);
  // Limits further down count as long as nobody between has one.
  const open = drafts.filter(d => d.child.limit === null);
  const deeper = open.some(d => d.input === null) ? found.deeper : 0;
  const sum = values.reduce<Amount>((a, v) => add(a, v ?? 0), deeper);
  const strict = limit.allocation === "strict";
  const endless = drafts.filter(d => d.input === null && d.child.limit && d.child.limit.usageLimit === null).length;
  const free = sub(total, sum);
  const over = less(total, sum);
  const without = values.filter(v => v === null).length;
  const odd = drafts.filter(d => d.child.limit && d.child.limit.cadence !== limit.cadence).length;
  return (
    <section className="stack tight" aria-label="Shared out">
      <UsageBar used={sum} held={0} limit={total} status={over ? "blocked" : "ok"} />
      <p className="row wrap between">
        <span>
          <span className="strong num">{formatExact(sum)}</span> of <span className="num">{formatExact(total)}</span> {unitOf(s, limit)}{" "}
          shared out
        </span>
        <span className={`strong num ${over ? "ink-bad" : ""}`}>
          {over ? `${formatExact(sub(sum, total))} too much` : isZero(free) ? "Nothing left over" : `${formatExact(free)} left over`}
        </span>
      </p>
      {over && (
        <p className="small">
          {strict
            ? "The limits below may not add up to more than this one: it will be refused."
            : `Together they may then use up this limit before each has used its own: whoever comes last is ${limit.enforcement === "soft" ? "reported" : "stopped"}.`}
        </p>
      )}
      {!isZero(deeper) && (
        <p className="small muted">
          {formatExact(deeper)} of it are limits further down, below those that have none of their own
          {open.some(d => d.input !== null) && "; of those that get one they count no longer"}.
        </p>
      )}
      {strict && (odd > 0 || endless > 0) && (
        <p className="small">
          Each limit below this one must have a number and begin anew when it does, as its shares are strict: it will be refused.
        </p>
      )}
      {odd > 0 && (
        <p className="small muted">
          {count(odd)} {odd === 1 ? "begins" : "begin"} anew at other times than this limit, which is {perCadence(limit.cadence)}: of them
          the sum says little.
        </p>
      )}
      {without > 0 && (
        <p className="small muted">
          {count(without)} {without === 1 ? "has" : "have"} no limit of {without === 1 ? "its" : "their"} own with a number: only what is
          above stops {without === 1 ? "it" : "them"}.
        </p>
      )}
    </section>
  );
}

type GridProps = {
  found: Found;
  drafts: Row[];
  stops: Map<string, number>;
  asking: boolean;
  limit: Assignment;
  soFar: boolean;
  onType: (id: string, text: string) => void;
};

function Grid({ found, drafts, stops, asking, limit, soFar, onType }: GridProps) {
  const s = useSession();
  const nowWords = (c: Child) => (c.limit ? limitWords(c.limit.usageLimit) : "none");
  return (
    <section className="panel table-wrap shares" aria-label="Shares" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Who</th>
            <th className="right wide-only">Limit now</th>
            <th className="right wide-only">Last month</th>
            <th className="right">New limit</th>
            <th className="right wide-only">Would have stopped</th>
          </tr>
        </thead>
        <tbody>
          {drafts.map(d => {
            const c = d.child;
            const soft = (c.limit ?? limit).enforcement === "soft";
            const own = d.input ?? null;
            const other = c.limit && c.limit.cadence !== limit.cadence ? perCadence(c.limit.cadence) : "";
            const stop = own ? stops.get(c.id) : undefined;
            const stopWords = !own
              ? ""
              : stop === undefined
                ? asking
                  ? "…"
                  : "–"
                : stop === 0
                  ? "none"
                  : soft
                    ? `${count(stop)} reported`
                    : count(stop);
            // A new one that counts from now begins at 0.
            const used = c.limit === null && !soFar ? 0 : c.used;
            const gone = own !== null && used !== null && !less(add(used, c.held), own.text);
            return (
              <tr key={c.id}>
                <td className="break">
                  <span className="strong" title={c.id}>
                    {c.name}
                  </span>
                  <div className="small muted">
                    {s.types.get(c.typeId)?.displayName ?? c.typeId}
                    {other && ` · ${other}`}
                    <span className="narrow-only">
                      {" "}
                      · now {c.limit?.usageLimit != null ? formatShort(c.limit.usageLimit) : nowWords(c)}
                      {c.limit?.defaultOf && " by default"}
                      {c.lastMonth !== null && ` · last month ${formatShort(c.lastMonth)}`}
                    </span>
                  </div>
                </td>
                <td className="right num wide-only">
                  {c.limit ? nowWords(c) : <span className="muted">none</span>}
                  {c.limit?.defaultOf && byDefault}
                  {c.used !== null && (
                    <div className="small muted" title={formatExact(c.used)}>
                      {formatShort(c.used)} used
                    </div>
                  )}
                </td>
                <td className="right num wide-only" title={c.lastMonth === null ? undefined : formatExact(c.lastMonth)}>
                  {c.lastMonth === null ? "–" : formatShort(c.lastMonth)}
                </td>
                <td className="new-share">
                  <input
                    className="input num"
                    aria-label={`New limit of ${c.name}`}
                    aria-invalid={d.problem ? true : undefined}
                    aria-describedby={`share-${c.id}`}
                    inputMode="decimal"
                    autoComplete="off"
                    disabled={!s.mayEdit(c.id)}
                    placeholder={c.limit?.usageLimit != null ? editable(c.limit.usageLimit) : nowWords(c)}
                    value={d.text}
                    onChange={e => onType(c.id, e.target.value)}
                  />
                  <div id={`share-${c.id}`} className="small muted right">
                    {d.problem ? (
                      <span className="ink-bad">{d.problem}</span>
                    ) : own ? (
                      <>
                        <span className="num">= {formatExact(own.text)}</span>{" "}
                        {c.limit?.usageLimit != null && differenceWords(c.limit.usageLimit, own.text)}
                        {gone && <div className="ink-bad">Used up: {soft ? "reported" : "stopped"} at once</div>}
                        <div className="narrow-only">{stop !== undefined && `would have ${soft ? "" : "stopped "}${stopWords}`}</div>
                      </>
                    ) : (
                      `stays${c.limit?.defaultOf ? ", by default" : ""}`
                    )}
                  </div>
                </td>
                <td className={`right num wide-only ${stop ? "ink-bad strong" : "muted"}`}>{stopWords}</td>
              </tr>
            );
          })}
          {!isZero(found.own) && (
            <tr>
              <td className="muted">Used directly, or below none of these</td>
              <td className="wide-only" />
              <td className="right num muted wide-only">{formatShort(found.own)}</td>
              <td className="small muted">
                <span className="narrow-only">last month {formatShort(found.own)}</span>
              </td>
              <td className="wide-only" />
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}
