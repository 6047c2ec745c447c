import { X } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useId, useRef, useState } from "react";
import { Button } from "./Button";
import { discard, guard, type Leave, Leaving, touched } from "./draft";
import { Toasts } from "./Toasts";

type DialogProps = {
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
  foot?: ReactNode;
  kind?: "drawer" | "wide";
  tools?: ReactNode;
};

/**
 * A modal dialog. The browser keeps the focus within it and gives it back at the end. What
 * was typed in it is not lost by Escape, a click beside it or going back: that is asked first.
 */
export function Dialog({ title, onClose, children, foot, kind, tools }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [pending, setPending] = useState<(() => void) | null>(null);
  // Taken while rendering: a field of the dialog may have the focus when effects run.
  const [before] = useState(() => document.activeElement);
  useEffect(() => {
    const d = ref.current;
    if (!d) return;
    const wanted = d.contains(document.activeElement) ? document.activeElement : d.querySelector("h2");
    if (!d.open) d.showModal();
    if (wanted instanceof HTMLElement) wanted.focus();
    return () => {
      d.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, [before]);
  const leave = useCallback<Leave>(then => {
    if (ref.current && touched(ref.current)) setPending(() => then);
    else then();
  }, []);
  useEffect(() => guard(leave), [leave]);
  const close = () => leave(onClose);
  // Taken as a key, since browsers end a dialog without asking at the second Escape.
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== "Escape" || e.defaultPrevented) return;
    e.preventDefault();
    e.stopPropagation();
    close();
  };
  return (
    <dialog
      ref={ref}
      className={kind}
      aria-labelledby={id}
      onKeyDown={onKeyDown}
      onCancel={e => {
        e.preventDefault();
        e.stopPropagation();
        close();
      }}
      onClose={e => {
        if (e.target !== ref.current || !ref.current?.isConnected) return;
        ref.current.showModal();
        close();
      }}
      onClick={e => {
        if (e.target === ref.current && outside(ref.current, e)) close();
      }}
    >
      <div className="head">
        <h2 id={id} className="grow ellipsis" tabIndex={-1}>
          {title}
        </h2>
        {tools}
        <Button look="quiet" size="small" aria-label="Close" icon={<X size={16} />} onClick={close} />
      </div>
      <Leaving value={leave}>
        <div className="content">{children}</div>
        {foot && <div className="foot">{foot}</div>}
      </Leaving>
      {pending && (
        <Discard
          onKeep={() => setPending(null)}
          onDiscard={() => {
            if (ref.current) discard(ref.current);
            setPending(null);
            pending();
          }}
        />
      )}
      <Toasts />
    </dialog>
  );
}

function outside(d: HTMLDialogElement, e: { clientX: number; clientY: number }): boolean {
  const r = d.getBoundingClientRect();
  return e.clientX < r.left || e.clientX > r.right || e.clientY < r.top || e.clientY > r.bottom;
}

function Discard({ onKeep, onDiscard }: { onKeep: () => void; onDiscard: () => void }) {
  return (
    <Dialog
      title="Discard what you typed?"
      onClose={onKeep}
      foot={
        <>
          <Button look="danger" onClick={onDiscard}>
            Discard
          </Button>
          <Button look="primary" onClick={onKeep}>
            Keep editing
          </Button>
        </>
      }
    >
      <p>It is not saved yet.</p>
    </Dialog>
  );
}
