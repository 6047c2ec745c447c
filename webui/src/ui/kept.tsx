import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Button, Notice, toast, When } from ".";

// What was typed and left before it was saved is kept in this tab, by what it is about: its
// form shows it again. It ends when it is saved or thrown away, and with the tab.

type Kept = { at: number; state: unknown };

// Another number for states of another shape: what a page of before has kept is not read.
const stored = "bursar-drafts-1";
const watchers = new Set<() => void>();
let all = read();

function read(): Map<string, Kept> {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(stored) ?? "[]"));
  } catch {
    return new Map();
  }
}

function write(next: Map<string, Kept>) {
  all = next;
  try {
    sessionStorage.setItem(stored, JSON.stringify([...all]));
  } catch {
    // A frame may have no storage: then it is kept as long as the page is.
  }
  for (const w of watchers) w();
}

export function forget(key: string) {
  if (!all.has(key)) return;
  const next = new Map(all);
  next.delete(key);
  write(next);
}

export const forgetAll = () => write(new Map());

/** What is kept under a key. */
export const keptOf = <T,>(key: string): { at: number; state: T } | null => (all.get(key) as { at: number; state: T } | undefined) ?? null;

const subscribe = (f: () => void) => {
  watchers.add(f);
  return () => {
    watchers.delete(f);
  };
};

/** Whether something is kept under a key, as it changes. */
export const useIsKept = () => {
  const now = useSyncExternalStore(subscribe, () => all);
  return (key: string) => now.has(key);
};

/** What ends the word that something is kept, as it is shown again. */
const said = new Map<string, () => void>();

type Keeping = {
  /** When what is shown was left, if it was. */
  since: string | null;
  /** It is saved, or thrown away: nothing is kept of it. */
  over: () => void;
};

/**
 * Keeps what a form holds while it differs from what is saved, and says so when the form is
 * left. what names it: "The limit of Backend"; busy: it is just being saved.
 */
export function useKeeping(key: string, what: string, state: unknown, changed: boolean, busy = false): Keeping {
  const [since, setSince] = useState(() => {
    const before = keptOf(key);
    return before ? new Date(before.at).toISOString() : null;
  });
  const done = useRef(false);
  const name = useRef(what);
  name.current = what;
  const saving = useRef(busy);
  saving.current = busy;
  const text = JSON.stringify(state);
  useEffect(() => {
    if (done.current) return;
    if (!changed) forget(key);
    else if (JSON.stringify(keptOf(key)?.state) !== text) write(new Map(all).set(key, { at: Date.now(), state: JSON.parse(text) }));
  }, [key, text, changed]);
  useEffect(() => {
    said.get(key)?.();
    return () => {
      if (!keptOf(key)) return;
      if (saving.current) said.set(key, toast(`${name.current}: still being saved. What you typed is kept until it is`));
      else said.set(key, toast(`${name.current}: not saved. What you typed is kept here`, { label: "Discard", run: () => forget(key) }));
    };
  }, [key]);
  return {
    since: changed ? since : null,
    over: () => {
      done.current = true;
      setSince(null);
      forget(key);
      said.get(key)?.();
    },
  };
}

/** Says that a form shows what was typed before, and takes it away again. */
export function StillHere({ since, onDiscard }: { since: string | null; onDiscard: () => void }) {
  if (since === null) return null;
  return (
    <Notice>
      <span className="row between wrap">
        <span>
          What you typed <When at={since} /> is still here. It is not saved yet.
        </span>
        <Button
          size="small"
          onClick={e => {
            e.currentTarget.closest("[data-kept]")?.removeAttribute("data-touched");
            onDiscard();
          }}
        >
          Discard it
        </Button>
      </span>
    </Notice>
  );
}
