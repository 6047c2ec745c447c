import type { UseQueryResult } from "@tanstack/react-query";
import { Check, CircleAlert, CircleCheck, Copy, Info, RotateCw, TriangleAlert } from "lucide-react";
import { Component, type ReactNode, useEffect, useId, useState } from "react";
import { formatExact, formatShort, percent } from "../api/amount";
import { Problem } from "../api/client";
import type { Amount } from "../api/json";
import type { Status } from "../governance/standing";
import { longTime, shortTime, since, until } from "../lib/time";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

export { Button } from "./Button";
export { Dialog } from "./Dialog";
export { Badge, StatusBadge, statusName, statusOptions } from "./status";
export { Toasts, toast } from "./Toasts";

/** An amount, short, with all its digits in its title. */
export function Amt({ v, unit }: { v: Amount; unit?: string }) {
  const short = formatShort(v);
  const exact = formatExact(v);
  return (
    <span className="num" title={unit ? `${exact} ${unit}` : exact}>
      {short}
      {unit && <span className="muted"> {unit}</span>}
    </span>
  );
}

export function When({ at, future }: { at: string; future?: boolean }) {
  return (
    <time dateTime={at} title={longTime(at)} className="nowrap">
      {future ? until(at) : since(at)}
    </time>
  );
}

export function At({ at }: { at: string }) {
  return (
    <time dateTime={at} title={longTime(at)} className="num">
      {shortTime(at)}
    </time>
  );
}

/** How much of a limit is used, and, hatched, how much is held. */
export function UsageBar({ used, held, limit, status }: { used: Amount; held: Amount; limit: Amount | null; status: Status }) {
  const usedPart = limit === null ? 0 : Math.min(100, percent(used, limit));
  const heldPart = limit === null ? 0 : Math.min(100 - usedPart, percent(held, limit));
  return (
    <div className={`bar ${status}`} aria-hidden>
      <span style={{ width: `${usedPart}%`, minWidth: usedPart > 0 ? 2 : 0 }} />
      <span className="held" style={{ width: `${heldPart}%` }} />
    </div>
  );
}

/** What went wrong, in the server's words, and a way to try again. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  const body = error instanceof Problem ? error.body : null;
  const title =
    body?.status === 404 ? "Not found" : body?.status === 403 ? "Not allowed" : body?.status === 0 ? "No connection" : "That did not work";
  return (
    <div className="notice bad" role="alert">
      <CircleAlert size={16} aria-hidden />
      <div className="grow stack tight">
        <div>
          <span className="strong">{title}. </span>
          <span className="break">{body?.detail ?? String((error as Error)?.message ?? error)}</span>
        </div>
        {body?.errors && body.errors.length > 1 && (
          <ul className="small">
            {body.errors.slice(0, 8).map(e => (
              <li key={e.pointer + e.code} className="break">
                <code>{e.pointer}</code> {e.detail}
              </li>
            ))}
          </ul>
        )}
        {body?.allocation && (
          <div className="small">
            The limit of <code>{body.allocation.entityId}</code> allocates {formatExact(body.allocation.usageLimit as Amount)} strictly;{" "}
            {formatExact(body.allocation.available as Amount)} is unallocated.
          </div>
        )}
        {body?.instance && <div className="small muted break">Request {body.instance.replace("urn:bursar:request:", "")}</div>}
      </div>
      {retry && (
        <Button size="small" icon={<RotateCw size={14} />} onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function Notice({ kind, children }: { kind?: "good" | "warn" | "bad"; children: ReactNode }) {
  const Icon = kind === "good" ? CircleCheck : kind === "warn" ? TriangleAlert : kind === "bad" ? CircleAlert : Info;
  return (
    <div className={`notice ${kind ?? ""}`}>
      <Icon size={16} aria-hidden />
      <div className="grow">{children}</div>
    </div>
  );
}

export function Empty({ title, children, icon }: { title: string; children?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="empty">
      {icon}
      <h2>{title}</h2>
      {children}
    </div>
  );
}

type Got = Pick<UseQueryResult<unknown>, "isPending" | "isError" | "error" | "data">;

/** How much waits behind a tab. */
export const Waiting = ({ n }: { n: string }) => (
  <>
    {" "}
    <span className="chip">
      {n}
      <span className="hidden"> open</span>
    </span>
  </>
);

/** What there is to say about something that is being read. What was read before stays, with a word that it may be old. */
export function Reading({ got, lines }: { got: Got & { refetch: () => unknown }; lines?: number }) {
  if (got.isPending) return <Skeleton lines={lines} />;
  if (!got.isError) return null;
  if (got.data === undefined) return <Trouble error={got.error} retry={() => got.refetch()} />;
  return (
    <div className="notice warn stale" role="status">
      <TriangleAlert size={16} aria-hidden />
      <span className="grow break">Could not be read again, so what is shown may be old. {(got.error as Error)?.message}</span>
      <Button size="small" icon={<RotateCw size={14} />} onClick={() => got.refetch()}>
        Try again
      </Button>
    </div>
  );
}

export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div className="stack" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines without identity
        <span key={i} className="skeleton" style={{ width: `${90 - ((i * 23) % 50)}%` }} />
      ))}
    </div>
  );
}

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <Button
      size="small"
      look="quiet"
      aria-label={done ? "Copied" : label}
      icon={done ? <Check size={14} /> : <Copy size={14} />}
      onClick={async () => {
        await copy(text);
        setDone(true);
        setTimeout(() => setDone(false), 1600);
      }}
    />
  );
}

/** In a frame without the clipboard permission the old way still works. */
export async function copy(text: string) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function Code({ text }: { text: string }) {
  return (
    <div className="code">
      <pre tabIndex={0}>{text}</pre>
      <CopyButton text={text} />
    </div>
  );
}

export function Field({ label, hint, problem, wide, children }: FieldProps) {
  const id = useId();
  return (
    <div className={`field ${wide ? "wide" : ""}`}>
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-invalid": problem ? true : undefined, "aria-describedby": problem || hint ? `${id}-note` : undefined })}
      {(problem || hint) && (
        <span id={`${id}-note`} className={problem ? "problem" : "hint"}>
          {problem || hint}
        </span>
      )}
    </div>
  );
}
type FieldProps = {
  label: string;
  hint?: ReactNode;
  problem?: string | null;
  wide?: boolean;
  children: (props: { id: string; "aria-invalid"?: boolean; "aria-describedby"?: string }) => ReactNode;
};

type TextProps = Omit<FieldProps, "children"> & {
  value: string;
  onChange: (v: string) => void;
  placeholder?: string;
  type?: string;
  required?: boolean;
  autoFocus?: boolean;
  inputMode?: "decimal" | "numeric";
  list?: string;
  pattern?: string;
};
export function Text({ label, hint, problem, wide, value, onChange, ...rest }: TextProps) {
  return (
    <Field label={label} hint={hint} problem={problem} wide={wide}>
      {p => (
        <input
          className="input"
          autoComplete="off"
          spellCheck={false}
          {...p}
          {...rest}
          value={value}
          onChange={e => onChange(e.target.value)}
        />
      )}
    </Field>
  );
}

type SelectProps<T extends string> = Omit<FieldProps, "children"> & {
  value: T;
  onChange: (v: T) => void;
  options: (readonly [T, string])[];
};
export function Select<T extends string>({ label, hint, problem, wide, value, onChange, options }: SelectProps<T>) {
  return (
    <Field label={label} hint={hint} problem={problem} wide={wide}>
      {p => (
        <select className="input" {...p} value={value} onChange={e => onChange(e.target.value as T)}>
          {options.map(([v, text]) => (
            <option key={v} value={v}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Checkbox({ checked, onChange, children }: { checked: boolean; onChange: (v: boolean) => void; children: ReactNode }) {
  return (
    <label className="check">
      <input type="checkbox" checked={checked} onChange={e => onChange(e.target.checked)} />
      <span>{children}</span>
    </label>
  );
}

/** Asks before something that cannot be taken back, naming what follows from it. */
export function Confirm({ title, children, action, danger, ready = true, onConfirm, onClose }: ConfirmProps) {
  const run = useAction();
  return (
    <Dialog
      title={title}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look={danger ? "danger" : "primary"} busy={run.busy} disabled={!ready} onClick={() => run.start(onConfirm, onClose)}>
            {action}
          </Button>
        </>
      }
    >
      <div className="stack">
        {children}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}
type ConfirmProps = {
  title: string;
  children: ReactNode;
  action: string;
  danger?: boolean;
  /** Whether what must be said or chosen first is. */
  ready?: boolean;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
};

/** One write at a time, with its error. */
export function useAction() {
  const [state, setState] = useState<{ busy: boolean; error: unknown }>({ busy: false, error: null });
  const start = async <T,>(act: () => Promise<T>, then?: (v: T) => void) => {
    setState({ busy: true, error: null });
    try {
      const v = await act();
      setState({ busy: false, error: null });
      then?.(v);
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return { ...state, start };
}

/** The present, again every few seconds, for distances in time. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const t = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(t);
  }, [everyMs]);
  return now;
}

/** A value that has not changed for a while. */
export function useSettled<T>(value: T, ms = 300): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const t = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(t);
  }, [value, ms]);
  return settled;
}

const unloaded = /dynamically imported module|Importing a module script|preload CSS/i;

/** Shows what broke instead of an empty page; going elsewhere or trying again starts anew. */
export class Guard extends Component<{ children: ReactNode; onRetry?: () => void }, { error: unknown; tries: number }> {
  state = { error: null as unknown, tries: 0 };
  static getDerivedStateFromError = (error: unknown) => ({ error });
  render() {
    const { error, tries } = this.state;
    if (error === null) return this.props.children;
    const again = () => {
      this.props.onRetry?.();
      this.setState({ error: null, tries: tries + 1 });
    };
    if (!unloaded.test(String((error as Error).message)))
      return (
        <div className="broken">
          <Trouble error={error} retry={again} />
        </div>
      );
    return (
      <div className="broken">
        <div className="notice bad" role="alert">
          <CircleAlert size={16} aria-hidden />
          <span className="grow">
            <span className="strong">A part of this page could not be loaded.</span>{" "}
            {tries === 0
              ? "The connection may have been lost for a moment."
              : "The server may have been updated: then the page must be loaded anew."}
          </span>
          {tries > 0 && (
            <Button size="small" onClick={() => location.reload()}>
              Load the page anew
            </Button>
          )}
          <Button size="small" icon={<RotateCw size={14} />} onClick={again}>
            Try again
          </Button>
        </div>
      </div>
    );
  }
}
