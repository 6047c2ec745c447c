import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";
import { Problem } from "../api/client";
import { Button, Dialog, Notice, Trouble, toast, useAction } from ".";

type FormDialogProps<T> = {
  title: string;
  /** What the button says. */
  action?: string;
  ready: boolean;
  /** What the form is about, as it was read: shown beside what another one has saved since. */
  base?: { revision: string };
  /** What another one has saved since, for a form that shows it in its fields too; onNow is told of it. */
  now?: { revision: string } | null;
  onNow?: (now: { revision: string }) => void;
  /** The one write of the form, on top of a revision. */
  save: (ifMatch?: string) => Promise<T>;
  /** What is said when it was saved. */
  said?: string | ((got: T) => string);
  onSaved?: (got: T) => void;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
};

/** A dialog with a form: after the write it closes, and what is shown is read anew. */
export function FormDialog<T>({
  title,
  action = "Save",
  ready,
  base,
  save,
  said,
  onSaved,
  onClose,
  wide,
  children,
  ...more
}: FormDialogProps<T>) {
  const id = useId();
  const client = useQueryClient();
  const run = useAction();
  const [found, setFound] = useState<{ revision: string } | null>(null);
  const now = more.now === undefined ? found : more.now;
  const submit = () =>
    run.start(async () => {
      try {
        const got = await save((now ?? base)?.revision);
        if (said) toast(typeof said === "string" ? said : said(got));
        void client.invalidateQueries();
        onClose();
        onSaved?.(got);
      } catch (e) {
        const current = conflictOf(e);
        if (!current) throw e;
        setFound(current);
        more.onNow?.(current);
      }
    });
  return (
    <Dialog
      title={title}
      kind={wide ? "wide" : undefined}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={id} look="primary" busy={run.busy} disabled={!ready}>
            {now ? `${action} over it` : action}
          </Button>
        </>
      }
    >
      <form
        id={id}
        className="stack"
        data-draft
        onSubmit={e => {
          e.preventDefault();
          if (ready && !run.busy) void submit();
        }}
      >
        {now && <Meanwhile was={base} is={now} />}
        <div className="fields">{children}</div>
        {run.error !== null && <Trouble error={run.error} />}
      </form>
    </Dialog>
  );
}

function conflictOf(e: unknown): { revision: string } | null {
  if (!(e instanceof Problem) || e.body.code !== "RevisionMismatch") return null;
  return (e.body.conflicts?.[0]?.current ?? null) as { revision: string } | null;
}

/** What another one has changed while the form was open. */
function Meanwhile({ was, is }: { was: object | undefined; is: object }) {
  if (!was) return <Notice kind="warn">There is one with this id already. Nothing of yours is saved yet.</Notice>;
  const [before, after] = [was, is] as Record<string, unknown>[];
  const text = (v: unknown) => (v === null || v === undefined || v === "" ? "none" : typeof v === "object" ? JSON.stringify(v) : String(v));
  const changed = Object.keys(is).filter(k => !/^(revision|updatedAt)$/.test(k) && text(before?.[k]) !== text(after?.[k]));
  return (
    <Notice kind="warn">
      <span className="strong">Somebody else has changed this meanwhile.</span> Nothing of yours is saved yet.
      <ul className="small">
        {changed.map(k => (
          <li key={k} className="break">
            {k.replace(/[A-Z]/g, c => ` ${c.toLowerCase()}`)}: {text(before?.[k])} → <span className="strong">{text(after?.[k])}</span>
          </li>
        ))}
      </ul>
    </Notice>
  );
}

/** The values of a form; bind gives a field its own. */
export function useFields<T extends object>(initial: T) {
  const [values, setValues] = useState(initial);
  const set = (v: Partial<T>) => setValues(before => ({ ...before, ...v }));
  const bind = <K extends keyof T>(k: K) => ({ value: values[k], onChange: (v: T[K]) => set({ [k]: v } as unknown as Partial<T>) });
  return { values, set, bind };
}
