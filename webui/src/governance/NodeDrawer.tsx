import { useQuery } from "@tanstack/react-query";
import { Archive, ArchiveRestore, ChevronRight, FolderInput, Pencil, Plus, Snowflake, Sun } from "lucide-react";
import { useState } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { path } from "../api/client";
import type { Entity, Frozen } from "../api/types";
import { Button, CopyButton, Dialog, Empty, Notice, Reading, Text, Trouble, useAction } from "../ui";
import { useLeave } from "../ui/draft";
import { lazily } from "../ui/Lazily";
import ActivityList from "./ActivityList";
import { currentOf } from "./conflict";
import { DefaultsBelow } from "./DefaultList";
import { EntityPicker } from "./EntityPicker";
import { FrozenNotice, SetFrozen } from "./Freeze";
import { Holds } from "./Holds";
import { lineage } from "./lineage";
import NewEntity from "./NewEntity";
import { NodeLimits } from "./NodeLimits";
import { Pulse } from "./Pulse";
import { SetArchived } from "./SetArchived";
import { useSession } from "./session";
import { UsagePanel } from "./UsagePanel";
import { undoEntity } from "./undo";

const People = lazily(() => import("./People"));

type Act = "people" | "rename" | "move" | "archive" | "child" | "freeze" | null;

/** Everything about one entity. */
export default function NodeDrawer({ entityId }: { entityId: string }) {
  const s = useSession();
  const [act, setAct] = useState<Act>(null);
  const line = useQuery({ queryKey: ["line", s.customerId, entityId], queryFn: () => lineage(s.api, s.customerId, entityId) });
  const freezes = useQuery({
    queryKey: ["freezes", s.customerId],
    queryFn: () => s.api.all<Frozen>(path`/customers/${s.customerId}/freezes`),
  });
  const entity = line.data?.at(-1);
  const frozenAt = (id: string | null) => freezes.data?.find(f => f.entityId === id);
  const nearest = line.data?.findLast(e => frozenAt(e.id));
  const own = frozenAt(entityId);
  const frozen = frozenAt(nearest?.id ?? null);
  const name = entity ? (entity.displayName ?? entity.id) : entityId;
  const close = () => s.open(null);

  return (
    <Dialog kind="drawer" title={name} onClose={close}>
      <Reading got={line} lines={6} />
      {entity && (
        <div className="stack">
          <nav className="crumbs" aria-label="Where it is">
            {line.data?.slice(0, -1).map(e => (
              <Crumb key={e.id} entity={e} />
            ))}
            <span>{s.types.get(entity.entityTypeId)?.displayName ?? entity.entityTypeId}</span>
            <span className="row" style={{ gap: 2, marginLeft: 8 }}>
              <code>{entity.id}</code>
              <CopyButton text={entity.id} label="Copy id" />
            </span>
          </nav>
          {frozen && <FrozenNotice frozen={frozen} entity={entity} line={line.data ?? []} />}
          {s.mayEdit(entityId) && (
            <div className="row wrap">
              {s.rights.provision && (
                <Button size="small" icon={<Plus size={14} />} onClick={() => setAct("child")}>
                  Add below
                </Button>
              )}
              <Button size="small" icon={<Pencil size={14} />} onClick={() => setAct("rename")}>
                Rename
              </Button>
              <Button size="small" icon={<FolderInput size={14} />} onClick={() => setAct("move")}>
                Move
              </Button>
              {freezes.data && (
                <Button size="small" icon={own ? <Sun size={14} /> : <Snowflake size={14} />} onClick={() => setAct("freeze")}>
                  {own ? "Thaw" : "Freeze"}
                </Button>
              )}
              {s.rights.provision && (
                <Button
                  size="small"
                  icon={entity.archivedAt ? <ArchiveRestore size={14} /> : <Archive size={14} />}
                  onClick={() => setAct("archive")}
                >
                  {entity.archivedAt ? "Restore" : "Archive"}
                </Button>
              )}
            </div>
          )}
          <Pulse entityId={entityId} />
          <Tabs>
            <TabList className="tabs" aria-label={`About ${name}`}>
              <Tab id="limits">Limits</Tab>
              <Tab id="defaults">Defaults</Tab>
              <Tab id="usage">Usage</Tab>
              <Tab id="holds">Holds</Tab>
              <Tab id="history">History</Tab>
            </TabList>
            <TabPanel id="limits" className="drawer-panel" shouldForceMount>
              <NodeLimits entityId={entityId} />
            </TabPanel>
            <TabPanel id="defaults" className="drawer-panel">
              <DefaultsBelow entityId={entityId} above={line.data?.slice(0, -1).map(e => e.id) ?? []} />
            </TabPanel>
            <TabPanel id="usage" className="drawer-panel">
              <UsagePanel entityId={entityId} />
            </TabPanel>
            <TabPanel id="holds" className="drawer-panel">
              <Holds entityId={entityId} />
            </TabPanel>
            <TabPanel id="history" className="drawer-panel">
              <ActivityList entityId={entityId} />
            </TabPanel>
          </Tabs>
          {act === "rename" && <Rename entity={entity} onClose={() => setAct(null)} />}
          {act === "move" && <Move entity={entity} onClose={() => setAct(null)} />}
          {act === "child" && <NewEntity parentId={entity.id} onMany={() => setAct("people")} onClose={() => setAct(null)} />}
          {act === "people" && <People parentId={entity.id} onClose={() => setAct(null)} />}
          {act === "freeze" && <SetFrozen entity={entity} frozen={own} onClose={() => setAct(null)} />}
          {act === "archive" && (
            <SetArchived entity={entity} frozen={freezes.data ? (own ?? null) : undefined} onClose={() => setAct(null)} />
          )}
        </div>
      )}
      {line.data?.length === 0 && <Empty title="Not found" />}
    </Dialog>
  );
}

function Crumb({ entity: e }: { entity: Entity }) {
  const s = useSession();
  const leave = useLeave();
  return (
    <span className="row" style={{ gap: 4 }}>
      <button type="button" onClick={() => leave(() => s.open(e.id))}>
        {e.displayName ?? e.id}
      </button>
      <ChevronRight size={12} aria-hidden />
    </span>
  );
}

function Rename({ entity, onClose }: { entity: Entity; onClose: () => void }) {
  const s = useSession();
  const [name, setName] = useState(entity.displayName ?? "");
  const [base, setBase] = useState(entity);
  const [moved, setMoved] = useState(false);
  const run = useAction();
  const target = path`/customers/${s.customerId}/entities/${entity.id}`;
  const save = () =>
    run.start(async () => {
      try {
        await s.api.patch(target, { displayName: name }, base.revision);
      } catch (e) {
        const now = currentOf<Entity>(e);
        if (!now) throw e;
        setBase(now);
        setMoved(true);
        return;
      }
      onClose();
      s.wrote({
        text: `Renamed to ${name || entity.id}`,
        entityIds: [entity.id],
        undo: () => undoEntity(s, base, "displayName", name),
      });
    });
  return (
    <Dialog
      title="Rename"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} onClick={save}>
            Save
          </Button>
        </>
      }
    >
      <div className="stack" data-draft>
        {moved && (
          <Notice kind="warn">
            Somebody else has changed it meanwhile: its name is <span className="strong break">{base.displayName ?? base.id}</span> now.
            Nothing is saved yet.
          </Notice>
        )}
        <Text label="Name" value={name} onChange={setName} hint={`Without a name its id is shown: ${entity.id}`} autoFocus />
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

function Move({ entity, onClose }: { entity: Entity; onClose: () => void }) {
  const s = useSession();
  const [to, setTo] = useState<Entity | null | undefined>(undefined);
  const run = useAction();
  const target = path`/customers/${s.customerId}/entities/${entity.id}`;
  const name = entity.displayName ?? entity.id;
  const save = () =>
    run.start(async () => {
      await s.api.patch(target, { parentId: to?.id ?? null }, entity.revision);
      const text = to ? `${name} moved below ${to.displayName ?? to.id}` : `${name} is at the top now`;
      s.wrote({ text, entityIds: null, undo: () => undoEntity(s, entity, "parentId", to?.id ?? null) });
    }, onClose);
  return (
    <Dialog
      title={`Move ${name}`}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} disabled={to === undefined} onClick={save}>
            Move
          </Button>
        </>
      }
    >
      <div className="stack" data-draft>
        <p className="muted">
          It moves with everything below it. Usage so far stays where it was charged; from now on it counts on the limits of its new place.
        </p>
        <EntityPicker label="Below" exclude={[entity.id]} onPick={setTo} />
        <div className="row wrap between">
          <span>
            {to === undefined ? (
              <span className="muted">Nothing chosen</span>
            ) : to === null ? (
              "To the top of the tree"
            ) : (
              `Below ${to.displayName ?? to.id}`
            )}
          </span>
          <Button size="small" onClick={() => setTo(null)}>
            To the top
          </Button>
        </div>
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}
