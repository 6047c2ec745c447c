import { useInfiniteQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useState } from "react";
import { path } from "../api/client";
import { count } from "../api/locale";
import type { Entity, Page } from "../api/types";
import { day } from "../lib/time";
import { Button, Checkbox, Dialog, Empty, Reading, Trouble, useAction, useSettled } from "../ui";
import { useNames } from "./names";
import { useSession } from "./session";

const pagesAtOnce = 10;
const pageSize = 100;

type Looked = { found: Entity[]; looked: number; next: string | null };

/** Who was archived, to be found and restored. */
export default function Archived({ onClose }: { onClose: () => void }) {
  const s = useSession();
  const [text, setText] = useState("");
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const search = useSettled(text.trim());
  const run = useAction();
  const got = useInfiniteQuery({
    queryKey: ["archived", s.customerId, search],
    initialPageParam: "",
    // The list has all: it is looked through so many at a time.
    queryFn: async ({ pageParam, signal }): Promise<Looked> => {
      const seen: Looked = { found: [], looked: 0, next: pageParam };
      for (let i = 0; i < pagesAtOnce && seen.next !== null && seen.found.length < pageSize; i++) {
        const query = { includeArchived: true, search, limit: pageSize, after: seen.next };
        const page: Page<Entity> = await s.api.get<Page<Entity>>(path`/customers/${s.customerId}/entities`, query, signal);
        seen.found.push(...page.data.filter(e => e.archivedAt !== null));
        seen.looked += page.data.length;
        seen.next = page.pagination.next;
      }
      return seen;
    },
    getNextPageParam: p => p.next ?? undefined,
  });
  const rows = got.data?.pages.flatMap(p => p.found) ?? [];
  const looked = got.data?.pages.reduce((n, p) => n + p.looked, 0) ?? 0;
  const name = useNames(rows.flatMap(e => e.parentId ?? []));
  const chosen = rows.filter(e => picked.has(e.id)).map(e => e.id);
  const target = path`/customers/${s.customerId}/entities/`;
  const pick = (id: string, on: boolean) =>
    setPicked(old => {
      const next = new Set(old);
      if (on) next.add(id);
      else next.delete(id);
      return next;
    });
  const restore = () =>
    run.start(async () => {
      await s.api.post(`${target}unarchive`, { ids: chosen });
      setPicked(new Set());
      s.wrote({
        text: `${chosen.length === 1 ? (rows.find(e => e.id === chosen[0])?.displayName ?? chosen[0]) : count(chosen.length)} restored`,
        entityIds: null,
        undo: () => s.api.post(`${target}archive`, { ids: chosen }),
      });
    });
  return (
    <Dialog
      title="Archived"
      kind="wide"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Close</Button>
          {s.rights.provision && (
            <Button look="primary" busy={run.busy} disabled={chosen.length === 0} onClick={restore}>
              Restore {chosen.length > 0 ? count(chosen.length) : ""}
            </Button>
          )}
        </>
      }
    >
      <div className="stack">
        <p className="muted">What was archived is not in the tree, and its limits stop nothing. Restored, it is as it was.</p>
        <label className="searchbox">
          <span className="hidden">Find an archived one by name or id</span>
          <Search size={15} aria-hidden />
          <input
            className="input"
            type="search"
            placeholder="Name or id"
            value={text}
            maxLength={255}
            onChange={e => setText(e.target.value)}
          />
        </label>
        <Reading got={got} lines={4} />
        {got.data && rows.length === 0 && !got.hasNextPage && (
          <Empty title={search ? `No archived one has “${search}” in its name or id` : "Nobody is archived"} />
        )}
        {rows.length > 0 && (
          <section className="panel table-wrap shares" aria-label="Archived ones" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th>Who</th>
                  <th className="wide-only">Type</th>
                  <th className="wide-only">Below</th>
                  <th className="right">Archived</th>
                </tr>
              </thead>
              <tbody>
                {rows.map(e => (
                  <tr key={e.id}>
                    <td className="break">
                      {s.rights.provision ? (
                        <Checkbox checked={picked.has(e.id)} onChange={on => pick(e.id, on)}>
                          <Who e={e} />
                        </Checkbox>
                      ) : (
                        <Who e={e} />
                      )}
                    </td>
                    <td className="wide-only">{s.types.get(e.entityTypeId)?.displayName ?? e.entityTypeId}</td>
                    <td className="break wide-only">{e.parentId ? name(e.parentId) : <span className="muted">at the top</span>}</td>
                    <td className="right nowrap muted">{e.archivedAt && day(e.archivedAt)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
        {got.hasNextPage && (
          <div className="row wrap">
            <Button busy={got.isFetchingNextPage} onClick={() => void got.fetchNextPage()}>
              Look further
            </Button>
            <span className="small muted">{count(looked)} looked through so far.</span>
          </div>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

const Who = ({ e }: { e: Entity }) => (
  <>
    <span className="strong">{e.displayName ?? e.id}</span> <span className="small muted">{e.id}</span>
  </>
);
