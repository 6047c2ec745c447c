import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";
import { Button, Dialog, Trouble, toast, useAction } from ".";

type FormDialogProps<T> = {
  title: string;
  /** What the button says. */
  action?: string;
  ready: boolean;
  /** The one write of the form. */
  save: () => Promise<T>;
  /** What is said when it was saved. */
  said?: string | ((got: T) => string);
  onSaved?: (got: T) => void;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
};

/** A dialog with a form: after the write it closes, and what is shown is read anew. */
export function FormDialog<T>({ title, action = "Save", ready, save, said, onSaved, onClose, wide, children }: FormDialogProps<T>) {
  const id = useId();
  const client = useQueryClient();
  const run = useAction();
  const submit = () =>
    run.start(save, got => {
      if (said) toast(typeof said === "string" ? said : said(got));
      void client.invalidateQueries();
      onClose();
      onSaved?.(got);
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
            {action}
          </Button>
        </>
      }
    >
      <form
        id={id}
        className="stack"
        onSubmit={e => {
          e.preventDefault();
          if (ready && !run.busy) void submit();
        }}
      >
        <div className="fields">{children}</div>
        {run.error !== null && <Trouble error={run.error} />}
      </form>
    </Dialog>
  );
}

/** The values of a form; bind gives a field its own. */
export function useFields<T extends object>(initial: T) {
  const [values, setValues] = useState(initial);
  const set = (v: Partial<T>) => setValues(before => ({ ...before, ...v }));
  const bind = <K extends keyof T>(k: K) => ({ value: values[k], onChange: (v: T[K]) => set({ [k]: v } as unknown as Partial<T>) });
  return { values, set, bind };
}
