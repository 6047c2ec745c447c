// A vendor's product with a settings page for budgets. Its own sign-in is left out: whoever
// opens the page is Ada, an admin of acme.
//
//   BURSAR_API_KEY=… node server.mjs
import { createServer } from "node:http";

const bursar = process.env.BURSAR_URL ?? "http://127.0.0.1:8080";
const key = process.env.BURSAR_API_KEY;
const port = Number(process.env.PORT ?? 3000);
if (!key) throw new Error("set BURSAR_API_KEY to an API key of full scope");

/** A token for one of our users: what it sees is decided here, never in the browser. */
async function tokenFor(user) {
  const reply = await fetch(`${bursar}/api/v1/customers/${encodeURIComponent(user.customer)}/access-tokens`, {
    method: "POST",
    headers: { "X-API-KEY": key, "Content-Type": "application/json" },
    body: JSON.stringify({
      permissions: user.admin ? ["read", "manage"] : ["read"],
      rootEntityId: user.team,
      subject: user.id,
      expiresInSeconds: 900,
    }),
  });
  const { data, detail } = await reply.json();
  if (!reply.ok) throw new Error(detail);
  return data.token;
}

const page = customer => `<!doctype html>
<html lang="en">
  <meta charset="utf-8" />
  <meta name="viewport" content="width=device-width, initial-scale=1" />
  <title>Budgets · Fjordly</title>
  <style>
    body { margin: 0 auto; max-width: 1100px; padding: 24px; font: 15px/1.5 system-ui; }
    bursar-governance { --bursar-accent: #7a3ff2; border: 1px solid #ddd; border-radius: 8px; overflow: hidden; }
  </style>
  <h1>Fjordly: AI budgets</h1>
  <p>Set what each team, person and agent may spend.</p>
  <bursar-governance customer="${customer}" base-url="${bursar}" theme="light"></bursar-governance>
  <script src="${bursar}/embed.js"></script>
  <script>
    const element = document.querySelector("bursar-governance");
    element.refreshToken = async () => {
      const reply = await fetch("/bursar-token", { method: "POST" });
      if (!reply.ok) throw new Error(await reply.text());
      return reply.text();
    };
    element.addEventListener("bursar-change", e => console.log(e.detail.text));
    element.addEventListener("bursar-error", e => console.error(e.detail.message));
  </script>
</html>`;

createServer(async (request, response) => {
  const user = { id: "ada@acme.example", customer: "acme", team: undefined, admin: true };
  try {
    const token = request.method === "POST" && request.url === "/bursar-token";
    const body = token ? await tokenFor(user) : page(user.customer);
    response.writeHead(200, { "Content-Type": token ? "text/plain" : "text/html", "Cache-Control": "no-store" }).end(body);
  } catch (e) {
    console.error(e.message);
    response.writeHead(502).end("Budgets are not available.");
  }
}).listen(port, "127.0.0.1", () => console.log(`http://localhost:${port}`));
