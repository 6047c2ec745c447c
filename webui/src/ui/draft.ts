import { createContext, useContext } from "react";

// What was typed and not saved yet. A form says that it is one by data-draft; the first
// change to one of its fields marks it, in the page itself: it is gone when the form is. One
// that keeps what was typed itself (kept.tsx) says data-kept: only the end of the page asks.

const drafts = "[data-draft][data-touched]";

/** Whether anything was typed within, and is neither saved nor thrown away. */
export const touched = (within: ParentNode): boolean => within.querySelector(drafts) !== null;

export function discard(within: ParentNode) {
  for (const form of within.querySelectorAll(drafts)) form.removeAttribute("data-touched");
}

/** Asks before what was typed is lost, and goes on when nothing was or it may be. */
export type Leave = (then: () => void) => void;
export const Leaving = createContext<Leave>(then => then());
export const useLeave = () => useContext(Leaving);

let asking: Leave[] = [];

/** The latest of these is asked when the browser goes back. */
export function guard(leave: Leave): () => void {
  asking = [...asking, leave];
  return () => {
    asking = asking.filter(l => l !== leave);
  };
}

/** Goes on at once, or when what was typed on this page may be lost: whoever wants to show something else here asks first. */
export const leavePage: Leave = then => {
  const leave = asking.at(-1);
  if (leave && touched(document)) leave(then);
  else then();
};

/** Watches for drafts, and over leaving the page and going back. Once, before anything else listens. */
export function watchDrafts() {
  document.addEventListener(
    "input",
    e => {
      if (e.target instanceof Element) e.target.closest("[data-draft], [data-kept]")?.setAttribute("data-touched", "");
    },
    true,
  );
  addEventListener("beforeunload", e => {
    if (document.querySelector("[data-touched]")) e.preventDefault();
  });
  let returning = false;
  addEventListener(
    "popstate",
    e => {
      const leave = asking.at(-1);
      if (!returning && (!leave || !touched(document))) return;
      // The address has changed already: back to where it was, then the question.
      e.stopImmediatePropagation();
      if (returning) {
        returning = false;
        leave?.(() => history.back());
      } else {
        returning = true;
        history.go(1);
      }
    },
    true,
  );
}
