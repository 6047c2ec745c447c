// What the tests stand on: the real binary, and its pages. A binary that does not serve
// them yet gets a server in front that does so with the same policy.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { chromium } from "playwright-core";

export const root = resolve(import.meta.dirname, "..");
export const out = join(root, "e2e", "out");
mkdirSync(out, { recursive: true });

const policy = ancestors =>
  `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ${ancestors}`;
const kinds = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** Serves dist, and passes the rest on to the API. */
export function front(api, port = 0) {
  const server = createServer((req, res) => {
    const path = new URL(req.url, "http://x").pathname;
    const page =
      path === "/" || path === "/console" || path.startsWith("/console/") ? "console.html" : path === "/embed" ? "embed.html" : null;
    const file = page ?? (path === "/embed.js" || path.startsWith("/assets/") ? path.slice(1) : null);
    if (file && !file.includes("..") && existsSync(join(root, "dist", file))) {
      const headers = { "Content-Type": kinds[extname(file)], "X-Content-Type-Options": "nosniff" };
      if (page) headers["Content-Security-Policy"] = policy(page === "embed.html" ? "*" : "'none'");
      res.writeHead(200, headers);
      res.end(readFileSync(join(root, "dist", file)));
      return;
    }
    const to = new URL(req.url, api);
    const upstream = request(to, { method: req.method, headers: { ...req.headers, host: to.host } }, reply => {
      res.writeHead(reply.statusCode, reply.headers);
      reply.pipe(res);
    });
    upstream.on("error", () => res.writeHead(502).end());
    req.pipe(upstream);
  });
  return new Promise(done =>
    server.listen(port, "127.0.0.1", () => done({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() })),
  );
}

const dir = mkdtempSync(join(tmpdir(), "bursar-e2e-"));
const started = [];

let binary = process.env.BURSAR_BINARY;
function build() {
  if (binary) return binary;
  binary = join(dir, "bursar");
  execFileSync("go", ["build", "-o", binary, "./cmd/bursar"], { cwd: resolve(root, ".."), stdio: "inherit" });
  return binary;
}

/** A server with pages in front of it, where it has none of its own. */
async function served(child, url, key) {
  const pages = (await fetch(`${url}/embed`)).ok ? { url, close: () => {} } : await front(url);
  started.push(() => {
    pages.close();
    child.kill("SIGTERM");
  });
  return { api: url, url: pages.url, key, call: (method, path, body) => call(url, key, method, path, body) };
}

/** The binary on an empty store, or on that of a server which was stopped. */
export async function startServer(more = [], data = mkdtempSync(join(dir, "store-"))) {
  const vendorPort = await freePort();
  const key = "bsk_e2e_0123456789abcdef0123456789abcdef";
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--webhook-allow", "127.0.0.0/8", "--webhook-allow-http", ...more];
  const child = spawn(build(), args, {
    env: { ...process.env, BURSAR_ADMIN_KEY: key, BURSAR_EMBED_ORIGINS: `http://localhost:${vendorPort}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = () => {
    const ended = new Promise(done => child.once("exit", done));
    child.kill("SIGTERM");
    return ended;
  };
  return { ...(await served(child, await address(child), key)), vendorPort, data, stop };
}

/** The demo: its organisation after an hour of traffic, quickly. */
export async function startDemo() {
  const args = ["demo", "--listen", "127.0.0.1:0", "--data", mkdtempSync(join(dir, "demo-")), "--speed", "400", "--requests", "3000"];
  const child = spawn(build(), args, { stdio: ["ignore", "pipe", "inherit"] });
  const [url, key] = await new Promise((done, fail) => {
    let text = "";
    child.stdout.on("data", chunk => {
      text += chunk;
      const m = /URL\s+(http:\S+)\s+key\s+(bsk_\S+)/.exec(text);
      if (m) done([m[1], m[2]]);
    });
    child.once("exit", code => fail(new Error(`the demo ended with ${code}: ${text}`)));
  });
  return served(child, url, key);
}

export function stopAll() {
  for (const stop of started) stop();
  rmSync(dir, { recursive: true, force: true });
}

/** A port that nobody listens on at the moment. */
function freePort() {
  return new Promise(done => {
    const s = createServer().listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });
}

function address(child) {
  return new Promise((done, fail) => {
    let text = "";
    const read = chunk => {
      text += chunk;
      const m = /127\.0\.0\.1:(\d+)/.exec(text);
      if (m) done(`http://127.0.0.1:${m[1]}`);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", code => fail(new Error(`the server ended with ${code}: ${text}`)));
    setTimeout(() => fail(new Error(`no address: ${text}`)), 20_000).unref();
  });
}

export async function call(url, key, method, path, body) {
  const reply = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { "X-API-KEY": key, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const content = await reply.json();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${content.detail}`);
  return content;
}

const chromiumPath = "/usr/bin/chromium";

export function startBrowser() {
  if (!existsSync(chromiumPath)) {
    execFileSync("apt-get", ["update"], { stdio: "inherit" });
    execFileSync("apt-get", ["install", "-y", "chromium", "fonts-inter"], { stdio: "inherit" });
  }
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });
}
