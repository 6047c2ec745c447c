// A real server with customers and agents, and a provider that is played by a real HTTP server.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { Bursar, type Options } from "@bursar/sdk";

export const key = "a-key-for-the-tests-of-the-sdk";
const program = process.env.BURSAR ?? assert.fail("BURSAR names the server's program");
const kinds = ["input", "cache_read", "cache_write", "output", "reasoning"] as const;
export type Used = Record<(typeof kinds)[number], number>;

export const folder = (name: string) => mkdtempSync(join(tmpdir(), `bursar-sdk-${name}-`));

export class Server {
  url = "";
  #child: ChildProcess | undefined;
  readonly #data = folder("data");
  #listen = "127.0.0.1:0";

  async start(): Promise<void> {
    const child = spawn(program, ["serve", "--listen", this.#listen, "--data", this.#data], { env: { ...process.env, BURSAR_ADMIN_KEY: key }, stdio: ["ignore", "inherit", "pipe"] });
    this.#child = child;
    assert.ok(child.stderr);
    for await (const line of createInterface({ input: child.stderr })) {
      const said = JSON.parse(line);
      if (said.msg !== "listening") continue;
      this.#listen = said.addr;
      this.url = `http://${said.addr}`;
      break;
    }
    child.stderr.resume();
    assert.ok(this.url, "the server did not start");
  }

  /** Kills it, as a machine does that fails; start has it come back at its address. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await gone;
  }

  async api(method: string, path: string, body?: object): Promise<any> {
    const reply = await fetch(`${this.url}/api/v1${path}`, { method, headers: { "X-API-KEY": key, "Content-Type": "application/json" }, ...(body ? { body: JSON.stringify(body) } : {}) });
    const text = await reply.text();
    assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  }

  /** A customer of its own for a test: agent rich may use what it likes, poor 10 tokens of output, watched 1,000. */
  async customer(id: string): Promise<string> {
    await this.api("POST", "/customers", { id });
    const agents = ["rich", "poor", "watched"];
    await this.api("PUT", `/customers/${id}/entities`, { entities: agents.map((agent) => ({ id: agent, entityTypeId: "agent" })) });
    const limit = (entityId: string, featureId: string, usageLimit: number | null) => ({ entityId, featureId, usageLimit, cadence: "P100Y" });
    const open = agents.flatMap((agent) => kinds.filter((kind) => kind !== "output").map((kind) => limit(agent, kind, null)));
    await this.api("PUT", `/customers/${id}/assignments`, { assignments: [...open, limit("rich", "output", null), limit("poor", "output", 10), limit("watched", "output", 1000)] });
    return id;
  }

  /** What an agent used, by kind of token. */
  async used(customer: string, agent = "rich"): Promise<Used> {
    const tree = await this.api("GET", `/customers/${customer}/governance?featureIds=${kinds.join()}`);
    return Object.fromEntries(kinds.map((kind) => [kind, tree.data.find((r: any) => r.entityId === agent && r.featureId === kind).currentUsage])) as Used;
  }

  async holds(customer: string, status: string): Promise<any[]> {
    return (await this.api("GET", `/customers/${customer}/reservations?status=${status}`)).data;
  }
}

/** A server that is there for the tests of a file. */
export async function newServer(): Promise<Server> {
  const server = new Server();
  await server.start();
  after(() => server.kill());
  await server.api("PUT", "/entity-types", { types: [{ id: "agent", displayName: "Agent", attributionKeys: ["agentId"] }, { id: "team", displayName: "Team", attributionKeys: ["teamId"] }] });
  for (const kind of kinds) await server.api("POST", "/features", { id: kind, displayName: kind, featureType: "NUMBER", meter: { eventName: "llm", aggregation: { function: "SUM", field: `tokens.${kind}` }, filters: [] } });
  await server.api("POST", "/features", { id: "calls", displayName: "Calls", featureType: "NUMBER" });
  return server;
}

/** A client whose warnings are kept. */
export function client(server: Server, o: Partial<Options> = {}): Bursar & { warnings: string[] } {
  const warnings: string[] = [];
  return Object.assign(new Bursar({ url: server.url, key, onWarning: (w) => warnings.push(w), endWaitMs: 60_000, holdTimeoutMs: 60_000, timeoutMs: 30_000, ...o }), { warnings });
}

export type Asked = { path: string; headers: IncomingMessage["headers"]; body: any };
export type Answer = (res: ServerResponse, asked: Asked) => void | Promise<void>;

/** A provider: it notes what it is asked, and answers as it is told. */
export class Provider {
  url = "";
  asked: Asked[] = [];
  answer: Answer = () => assert.fail("nobody said what to answer");
  readonly #server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const asked = { path: req.url ?? "", headers: req.headers, body: text.startsWith("{") ? JSON.parse(text) : text };
      this.asked.push(asked);
      void this.answer(res, asked);
    });
  });

  async start(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export async function newProvider(): Promise<Provider> {
  const provider = new Provider();
  await provider.start();
  after(() => provider.stop());
  return provider;
}

/** An address at which nobody listens. */
export async function nowhere(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return `http://127.0.0.1:${port}`;
}

export const json = (value: unknown, status = 200): Answer => (res) => {
  res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
};

/** A stream of events, each a name and its data. */
export const events = (list: [string, unknown][], end = true): Answer => async (res) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  for (const [name, value] of list) {
    res.write(`${name && `event: ${name}\n`}data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`);
    await new Promise((done) => setImmediate(done));
  }
  if (end) res.end();
};

/** Waits until something is so; each look asks a server, and the test's own limit of time ends it. */
export async function eventually<T>(look: () => Promise<T>, is: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (is(value)) return value;
    await new Promise((done) => setTimeout(done, 20));
  }
}
