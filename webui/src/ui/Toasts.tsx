import { useEffect, useState, useSyncExternalStore } from "react";
import { Button } from "./Button";

type Toast = { id: number; text: string; action?: { label: string; run: () => void } };
let toasts: Toast[] = [];
let toastId = 0;
const toastWatchers = new Set<() => void>();

function setToasts(next: Toast[]) {
  toasts = next;
  for (const w of toastWatchers) w();
}

/** Says what has happened, for a while, or until what it gives back is called. */
export function toast(text: string, action?: Toast["action"], ms = action ? 12_000 : 5000): () => void {
  const t = { id: ++toastId, text, action };
  const end = () => setToasts(toasts.filter(x => x !== t));
  setToasts([...toasts.slice(-1), t]);
  setTimeout(end, ms);
  return end;
}

let hosts: symbol[] = [];

/** Where toasts show: in the latest of these, since a modal dialog makes all that is outside of it inert. */
export function Toasts() {
  const [self] = useState(() => Symbol());
  const subscribe = (f: () => void) => {
    toastWatchers.add(f);
    return () => toastWatchers.delete(f);
  };
  const list = useSyncExternalStore(subscribe, () => toasts);
  const mine = useSyncExternalStore(subscribe, () => hosts.at(-1) === self);
  useEffect(() => {
    hosts = [...hosts, self];
    setToasts(toasts);
    return () => {
      hosts = hosts.filter(h => h !== self);
      setToasts(toasts);
    };
  }, [self]);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {(mine ? list : []).map(t => (
        <div key={t.id} className="toast">
          <span className="break">{t.text}</span>
          {t.action && (
            <Button
              size="small"
              onClick={() => {
                setToasts(toasts.filter(x => x !== t));
                t.action?.run();
              }}
            >
              {t.action.label}
            </Button>
          )}
        </div>
      ))}
    </div>
  );
}
