import { useEffect, useState } from "react";
import { lazily } from "./Lazily";

const Palette = lazily(() => import("./Palette"));
const Keys = lazily(() => import("./Keys"));

const types = (e: Element | null) =>
  e instanceof HTMLElement && (e.isContentEditable || e.matches("input:not([type=checkbox], [type=radio]), textarea, select"));

/** The ways in by keyboard: Ctrl-K, / and ?. Once on a page. */
export function Ways() {
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.isComposing || e.altKey) return;
      if ((e.ctrlKey || e.metaKey) && !e.shiftKey && e.key.toLowerCase() === "k") {
        e.preventDefault();
        setOpen("palette");
        return;
      }
      if (e.ctrlKey || e.metaKey || types(document.activeElement)) return;
      if (e.key === "?") {
        e.preventDefault();
        setOpen("keys");
      } else if (e.key === "/") {
        // Of a dialog, its own.
        const within = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
        const field = [...within.querySelectorAll<HTMLInputElement>('input[type="search"]')].find(f => f.checkVisibility());
        if (!field) return;
        e.preventDefault();
        field.focus();
        field.select();
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  if (open === "palette") return <Palette onClose={() => setOpen(null)} onKeys={() => setOpen("keys")} />;
  if (open === "keys") return <Keys onClose={() => setOpen(null)} />;
  return null;
}
