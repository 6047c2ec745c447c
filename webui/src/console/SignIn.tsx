import { useState } from "react";
import { Api, isStatus } from "../api/client";
import { Button, Text, Trouble, useAction } from "../ui";

export function Logo() {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--bursar-accent)" />
      <path d="M9 8h2.6v16H9zM14.7 14h2.6v10h-2.6zM20.4 18.5H23V24h-2.6z" fill="var(--bursar-on-accent)" />
    </svg>
  );
}

export function SignIn({ refused, onKey }: { refused: boolean; onKey: (key: string) => void }) {
  return (
    <main className="sign-in">
      <div className="stack loose">
        <div className="row" style={{ gap: 10 }}>
          <Logo />
          <h1>Bursar</h1>
        </div>
        <KeyForm problem={refused ? "The key was refused. Sign in again." : null} onKey={onKey} />
      </div>
    </main>
  );
}

/** Asks for a key and tries it. */
export function KeyForm({ problem, onKey }: { problem?: string | null; onKey: (key: string) => void }) {
  const [key, setKey] = useState("");
  const run = useAction();
  const submit = () =>
    run.start(
      async () => {
        const k = key.trim();
        try {
          await new Api("", () => k).get("/customers", { limit: 1 });
        } catch (e) {
          if (isStatus(e, 401)) throw new Error("This key is not known, has ended or was revoked.");
          if (isStatus(e, 403)) throw new Error("A runtime key cannot read the console; use a full or a read key.");
          throw e;
        }
        return k;
      },
      k => onKey(k),
    );
  return (
    <form
      className="stack"
      onSubmit={e => {
        e.preventDefault();
        void submit();
      }}
    >
      <Text
        label="API key"
        type="password"
        value={key}
        onChange={setKey}
        placeholder="bsk_…"
        autoFocus
        required
        problem={problem}
        hint={
          <>
            The server's <code>BURSAR_ADMIN_KEY</code>; without that variable, the key that the server printed once at its first start. It
            stays in this tab until the tab is closed.
          </>
        }
      />
      {run.error !== null && <Trouble error={run.error} />}
      <Button type="submit" look="primary" busy={run.busy} disabled={key.trim() === ""}>
        Sign in
      </Button>
    </form>
  );
}
