import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { Dialog, useSettled } from ".";
import { type Command, fits, useFinders, useOffers } from "./commands";

const most = 60;

/** Everything that can be found, gone to or done from here, by its name. */
export default function Palette({ onClose, onKeys }: { onClose: () => void; onKeys: () => void }) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const offers = useOffers();
  const finders = useFinders();
  const search = useSettled(text.trim(), 200);
  const found = useQuery({
    queryKey: ["palette", search, finders.map(f => f.key)],
    queryFn: async ({ signal }) => (await Promise.all(finders.map(f => f.find(search, signal)))).flat(),
    enabled: search !== "" && finders.length > 0,
    retry: false,
    gcTime: 0,
  });
  const all: Command[] = [...offers.flatMap(o => o()), { group: "Help", name: "Keyboard", hint: "?", run: onKeys }];
  const fitting = all
    .map(c => ({ c, by: fits(`${c.name} ${c.group}`, text) }))
    .filter(x => x.by !== null)
    .sort((a, b) => (a.by ?? 0) - (b.by ?? 0))
    .map(x => x.c);
  const listed = [...(text.trim() === search ? (found.data ?? []) : []), ...fitting].slice(0, most);
  // In groups, in the order in which their best ones come.
  const groups = [...new Set(listed.map(c => c.group))];
  const shown = groups.flatMap(g => listed.filter(c => c.group === g));
  const here = Math.min(at, Math.max(0, shown.length - 1));
  useEffect(() => {
    list.current?.querySelector(`[id="${id}-${here}"]`)?.scrollIntoView({ block: "nearest" });
  }, [here, id]);
  const run = (c: Command | undefined) => {
    if (!c) return;
    onClose();
    c.run();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const move = { ArrowDown: here + 1, ArrowUp: here - 1 + shown.length }[e.key];
    if (move !== undefined && shown.length > 0) {
      e.preventDefault();
      setAt(move % shown.length);
    } else if (e.key === "Enter") {
      e.preventDefault();
      run(shown[here]);
    }
  };
  return (
    <Dialog title="Find or do" onClose={onClose}>
      <div className="stack">
        <input
          className="input"
          role="combobox"
          aria-label="Find or do"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={shown.length > 0 ? `${id}-${here}` : undefined}
          autoComplete="off"
          spellCheck={false}
          placeholder="A name or id, a page, or what to do"
          value={text}
          onChange={e => {
            setText(e.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
          autoFocus
        />
        <div ref={list} id={`${id}-list`} role="listbox" aria-label="What was found" className="palette">
          {groups.map(g => (
            // biome-ignore lint/a11y/useSemanticElements: a group of options
            <div key={g} role="group" aria-label={g}>
              <div className="small muted palette-group" aria-hidden>
                {g}
              </div>
              {shown.map((c, i) =>
                c.group === g ? (
                  // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus and the keys
                  // biome-ignore lint/a11y/useFocusableInteractive: as the pattern of a combobox says
                  // biome-ignore lint/suspicious/noArrayIndexKey: names may be alike
                  <div key={i} id={`${id}-${i}`} role="option" aria-selected={i === here} onClick={() => run(c)}>
                    <span className="grow ellipsis">{c.name}</span>
                    {c.hint && <span className="muted small ellipsis">{c.hint}</span>}
                  </div>
                ) : null,
              )}
            </div>
          ))}
          {shown.length === 0 && <p className="muted">{found.isFetching ? "Looking" : "Nothing of that name"}</p>}
        </div>
        {found.isError && <p className="small muted">Names could not be looked up: {(found.error as Error).message}</p>}
      </div>
    </Dialog>
  );
}
