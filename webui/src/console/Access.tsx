import { useState } from "react";
import { isStatus, path } from "../api/client";
import type { AccessToken, One } from "../api/types";
import { Button, Code, Notice, Select, Text, Trouble, toast, useAction, When } from "../ui";
import { useApi } from "./session";

/** Tokens with which a customer's admins govern themselves in the vendor's product, and how that looks. */
export function Access({ customerId }: { customerId: string }) {
  const api = useApi();
  const [root, setRoot] = useState("");
  const [permission, setPermission] = useState<"read" | "manage">("manage");
  const [minutes, setMinutes] = useState("60");
  const [subject, setSubject] = useState("");
  const [made, setMade] = useState<AccessToken | null>(null);
  const run = useAction();
  const revoke = useAction();
  const create = () =>
    run.start(
      () =>
        api.post<One<AccessToken>>(path`/customers/${customerId}/access-tokens`, {
          permissions: permission === "manage" ? ["read", "manage"] : ["read"],
          expiresInSeconds: Math.round(Number(minutes) * 60) || 3600,
          ...(root ? { rootEntityId: root } : {}),
          ...(subject ? { subject } : {}),
        }),
      got => setMade(got.data),
    );
  const origin = location.origin;
  return (
    <div className="customer-body stack loose">
      <p className="muted" style={{ maxWidth: "70ch" }}>
        Your product asks for a token with its API key when one of this customer's admins opens your settings page, and gives it to the
        element. The admin sees this customer, or the subtree you name, and nothing else.
      </p>
      <div className="halves">
        <form
          className="stack"
          onSubmit={e => {
            e.preventDefault();
            void create();
          }}
        >
          <h2>Make a token</h2>
          <div className="fields">
            <Select
              label="May"
              value={permission}
              onChange={setPermission}
              options={[
                ["manage", "See and change"],
                ["read", "See only"],
              ]}
            />
            <Text label="Valid for minutes" value={minutes} onChange={setMinutes} inputMode="numeric" hint="1 to 1440" />
            <Text
              label="Only below entity"
              value={root}
              onChange={setRoot}
              placeholder="the whole customer"
              hint="An id; its own limits can be seen, not changed"
            />
            <Text label="Your user's id" value={subject} onChange={setSubject} placeholder="none" hint="Named in the history of changes" />
          </div>
          {run.error !== null &&
            (isStatus(run.error, 404) && !(run.error as { body?: { code?: string } }).body?.code?.includes("NotFound") ? (
              <Notice kind="warn">This server does not make access tokens.</Notice>
            ) : (
              <Trouble error={run.error} />
            ))}
          <div className="row">
            <Button type="submit" look="primary" busy={run.busy}>
              Make a token
            </Button>
          </div>
          {made && (
            <div className="stack">
              <Notice kind="good">
                Shown once; it ends <When at={made.expiresAt} future />.
              </Notice>
              <Code text={made.token ?? ""} />
              <div className="row wrap">
                <a
                  className="button"
                  target="_blank"
                  rel="noreferrer"
                  href={`/embed#customer=${encodeURIComponent(customerId)}&token=${encodeURIComponent(made.token ?? "")}&theme=${document.documentElement.dataset.theme}`}
                >
                  Open the view with it
                </a>
                <Button
                  look="danger"
                  busy={revoke.busy}
                  onClick={() =>
                    revoke.start(
                      () => api.delete(path`/customers/${customerId}/access-tokens/${made.id}`),
                      () => {
                        setMade(null);
                        toast("Token revoked");
                      },
                    )
                  }
                >
                  Revoke it
                </Button>
              </div>
              {revoke.error !== null && <Trouble error={revoke.error} />}
            </div>
          )}
        </form>
        <div className="stack">
          <h2>In your product</h2>
          <Code
            text={`# your backend, for the signed-in admin
curl -X POST -H "X-API-KEY: $BURSAR_ADMIN_KEY" -H 'Content-Type: application/json' \\
  ${origin}/api/v1/customers/${customerId}/access-tokens \\
  -d '{"permissions":["read","manage"],"expiresInSeconds":900}'`}
          />
          <Code
            text={`<!-- your page -->
<script src="${origin}/embed.js"></script>
<bursar-governance customer="${customerId}" token="…" theme="auto"></bursar-governance>
<script>
  document.querySelector("bursar-governance").refreshToken =
    async () => (await fetch("/your/token")).text();
</script>`}
          />
        </div>
      </div>
    </div>
  );
}
