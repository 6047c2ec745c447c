import { useEffect, useRef, useSyncExternalStore } from "react";

// What can be done from anywhere: each part of the page says what it has to offer as long as
// it is shown, and the palette lists it.

export type Command = { group: string; name: string; hint?: string; run: () => void };
type Find = (text: string, signal: AbortSignal) => Promise<Command[]>;

let offers: readonly (() => Command[])[] = [];
let finders: readonly { key: string; find: Find }[] = [];
const watchers = new Set<() => void>();
const changed = () => {
  for (const w of watchers) w();
};

/** Offers commands as long as the caller is shown. */
export function useCommands(commands: Command[]) {
  const now = useRef(commands);
  now.current = commands;
  useEffect(() => {
    const offer = () => now.current;
    offers = [...offers, offer];
    changed();
    return () => {
      offers = offers.filter(o => o !== offer);
      changed();
    };
  }, []);
}

/** Offers what a search finds, as long as the caller is shown. key tells searches apart. */
export function useFinder(key: string, find: Find) {
  const now = useRef(find);
  now.current = find;
  useEffect(() => {
    const finder = { key, find: ((text, signal) => now.current(text, signal)) as Find };
    finders = [...finders, finder];
    changed();
    return () => {
      finders = finders.filter(f => f !== finder);
      changed();
    };
  }, [key]);
}

const subscribe = (f: () => void) => {
  watchers.add(f);
  return () => {
    watchers.delete(f);
  };
};

export const useOffers = () => useSyncExternalStore(subscribe, () => offers);
export const useFinders = () => useSyncExternalStore(subscribe, () => finders);

/** How well a text fits what was typed: every word of it is in there, the beginning counts most. Null: not at all. */
export function fits(name: string, typed: string): number | null {
  const text = name.toLowerCase();
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  let score = 0;
  for (const w of words) {
    const at = text.indexOf(w);
    if (at < 0) return null;
    score += at === 0 ? 0 : text[at - 1] === " " ? 1 : 2;
  }
  return score;
}
