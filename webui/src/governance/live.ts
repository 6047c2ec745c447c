import { useEffect, useState } from "react";
import { nano } from "../api/amount";
import { queryString } from "../api/client";
import { type Amount, decode } from "../api/json";
import type { Entity, TreeRow } from "../api/types";
import { rootKey, type TreeStore } from "./tree";

export type LiveState = "connecting" | "live" | "polling" | "offline";

/** What the page dispatches when its credential is another one. */
export const accessBack = "bursar-access-back";

const pollEvery = 10_000;
const applyEvery = 250;
const belowAfter = 1500;
const staleEvery = 5000;
const allEvery = 60_000;
const branchesAtOnce = 12;

/**
 * Keeps a tree up to date: by the stream of its changes, or, where the server has none, by
 * reading again what is open. Changes are applied together a few times a second.
 */
export function useLive(store: TreeStore | null, reload: () => void): LiveState {
  const [state, setState] = useState<LiveState>("connecting");
  useEffect(() => {
    if (!store) return;
    const ended = new AbortController();
    void follow(store, ended.signal, setState, reload);
    void renew(store, ended.signal);
    return () => ended.abort();
  }, [store, reload]);
  return state;
}

async function follow(store: TreeStore, ended: AbortSignal, state: (s: LiveState) => void, reload: () => void) {
  let last = "";
  let again = false;
  for (let failures = 0; !ended.aborted; failures++) {
    try {
      const streams = await stream(
        store,
        ended,
        last,
        again,
        id => {
          last = id;
          failures = 0;
          state("live");
        },
        reload,
      );
      if (!streams) return poll(store, ended, state);
    } catch {
      // The connection was lost; it is made again below.
    }
    if (ended.aborted) return;
    again = true;
    state("offline");
    await pause(Math.min(30_000, 1000 * 2 ** failures) * (0.75 + Math.random() / 2), ended);
  }
}

/** Reads the stream until it ends. False: the server has none. */
async function stream(
  store: TreeStore,
  ended: AbortSignal,
  last: string,
  again: boolean,
  heard: (id: string) => void,
  reload: () => void,
): Promise<boolean> {
  const c = store.capability;
  const query = queryString(c ? { [c.kind === "currency" ? "currencyIds" : "featureIds"]: [c.id] } : {});
  const headers: Record<string, string> = { Authorization: `Bearer ${store.api.token()}`, Accept: "text/event-stream" };
  if (last) headers["Last-Event-ID"] = last;
  const url = store.api.url(`/customers/${encodeURIComponent(store.customerId)}/governance/stream${query}`);
  const reply = await fetch(url, { headers, signal: ended });
  if ([404, 405, 501].includes(reply.status)) return false;
  if (!reply.ok || !reply.body) throw new Error(`status ${reply.status}`);
  const { createParser } = await import("eventsource-parser");
  // Without a place to go on from, what happened meanwhile is read again.
  if (again && !last) reload();
  heard(last);
  const apply = batched(store, ended);
  const parser = createParser({
    onEvent: e => {
      heard(e.id ?? last);
      store.heardAt = Date.now();
      if (e.event === "resync") reload();
      else if (e.event) apply(e.event, e.data);
    },
    onComment: () => {
      store.heardAt = Date.now();
    },
  });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    parser.feed(value);
  }
}

function batched(store: TreeStore, ended: AbortSignal) {
  let due: ReturnType<typeof setTimeout> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  ended.addEventListener("abort", () => {
    clearTimeout(due);
    clearTimeout(again);
  });
  // What is below a limit that has begun or ceased to stop is told by no event of its own.
  const below = () => {
    again ??= setTimeout(() => {
      again = undefined;
      void refresh(store, loaded(store)).catch(() => {});
    }, belowAfter);
  };
  return (event: string, data: string) => {
    const body = decode(data);
    if (event === "node") {
      const row = body as TreeRow;
      if (turned(store, row)) below();
      // Entities that were not looked at yet come with their branch.
      store.news(row);
    } else if (event === "refused") {
      const r = body as { assignmentId: string; at: string; requested: Amount };
      store.refused(r.assignmentId, r.at, r.requested);
    } else if (event === "removed") store.removed((body as { assignmentId: string }).assignmentId);
    else if (event === "entity") store.entity(body as Entity);
    due ??= setTimeout(() => {
      due = undefined;
      store.changed();
    }, applyEvery);
  };
}

/** Whether a hard limit begins or ceases to leave nothing, as far as that is known. */
function turned(store: TreeStore, row: TreeRow): boolean {
  if (row.enforcement !== "hard" || row.remaining === null || row.assignmentId === null) return false;
  const before = store.find(row.entityId, row.assignmentId)?.remaining;
  const empty = (a: Amount) => nano(a) <= 0n;
  // One that is not shown may block what is.
  return before == null ? empty(row.remaining) : empty(before) !== empty(row.remaining);
}

const loaded = (store: TreeStore) => [rootKey, ...store.open].filter(id => store.branches.has(id));

async function refresh(store: TreeStore, branches: string[]) {
  for (const id of branches.slice(0, branchesAtOnce)) await store.refresh(id);
}

/** Reads again what changes by time alone: ended periods soon, ended boosts and holds within a minute. */
async function renew(store: TreeStore, ended: AbortSignal) {
  for (let all = Date.now() + allEvery; ; ) {
    await pause(staleEvery, ended);
    if (ended.aborted) return;
    if (document.hidden || !store.capability) continue;
    const due = Date.now() >= all;
    if (due) all = Date.now() + allEvery;
    // What cannot be read now is due again in a moment.
    await refresh(store, due ? loaded(store) : store.stale()).catch(() => {});
  }
}

async function poll(store: TreeStore, ended: AbortSignal, state: (s: LiveState) => void) {
  state("polling");
  for (;;) {
    await pause(pollEvery, ended);
    if (ended.aborted) return;
    if (document.hidden) continue;
    try {
      await refresh(store, loaded(store));
      state("polling");
    } catch {
      if (!ended.aborted) state("offline");
    }
  }
}

/** Waits, but not when access is back. */
function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const over = () => {
      clearTimeout(t);
      removeEventListener(accessBack, over);
      ended.removeEventListener("abort", over);
      resolve();
    };
    const t = setTimeout(over, ms);
    addEventListener(accessBack, over);
    ended.addEventListener("abort", over);
  });
}
