import { useState, useSyncExternalStore } from "react";
import { type Call, curl } from "../api/client";
import { since } from "../lib/time";
import { Button, Code, Dialog, Empty, useNow } from "../ui";
import { useApi } from "./session";

/** What this page has asked of the API, ready to be asked from a terminal. */
export function ApiCalls({ onClose }: { onClose: () => void }) {
  const api = useApi();
  const log = useSyncExternalStore(api.watch, api.log);
  const now = useNow();
  const [open, setOpen] = useState<Call | null>(null);
  return (
    <Dialog title="API calls of this page" kind="wide" onClose={onClose}>
      <div className="stack">
        <p className="muted">All that these pages do goes through the public API. The latest calls first; the key is left out.</p>
        {log.length === 0 && <Empty title="None yet" />}
        <ul className="stack tight">
          {log.map(c => (
            <li key={`${c.at}${c.path}${c.ms}`} className="stack tight">
              <div className="row">
                <Button
                  size="small"
                  look="quiet"
                  className="grow call"
                  aria-expanded={open === c}
                  onClick={() => setOpen(open === c ? null : c)}
                >
                  <code className="strong">{c.method}</code>
                  <code className="ellipsis">{decodeURIComponent(c.path)}</code>
                </Button>
                <span className={`num small ${c.status >= 400 || c.status === 0 ? "ink-bad" : "muted"}`}>{c.status || "–"}</span>
                <span className="num small muted">{Math.round(c.ms)} ms</span>
                <span className="num small muted call-at">{since(c.at, now)}</span>
              </div>
              {open === c && <Code text={curl(c, location.origin)} />}
            </li>
          ))}
        </ul>
      </div>
    </Dialog>
  );
}
