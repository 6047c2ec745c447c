import { useState } from "react";
import { path } from "../api/client";
import type { Entity, Frozen } from "../api/types";
import { Confirm, Notice, Text, When } from "../ui";
import { useSession } from "./session";

/** Says that an entity, or something above it, is frozen, since when and why. */
export function FrozenNotice({ frozen, entity, line }: { frozen: Frozen; entity: Entity; line: Entity[] }) {
  const at = line.find(e => e.id === frozen.entityId);
  const where = frozen.entityId === entity.id ? "This" : at ? (at.displayName ?? at.id) : "The customer";
  return (
    <Notice kind="warn">
      <span className="strong break">
        {where} is frozen: {frozen.reason}
      </span>{" "}
      Since <When at={frozen.frozenAt} /> nothing is granted here, whatever the limits say.
    </Notice>
  );
}

/** Freezes an entity with a reason, or thaws it. */
export function SetFrozen({ entity, frozen, onClose }: { entity: Entity; frozen: Frozen | undefined; onClose: () => void }) {
  const s = useSession();
  const [reason, setReason] = useState("");
  const name = entity.displayName ?? entity.id;
  const target = path`/customers/${s.customerId}/entities/${entity.id}/`;
  const freeze = (why: string) => s.api.post(`${target}freeze`, { reason: why });
  const thaw = () => s.api.post(`${target}thaw`, {});
  if (frozen)
    return (
      <Confirm
        title={`Thaw ${name}?`}
        action="Thaw"
        onClose={onClose}
        onConfirm={async () => {
          await thaw();
          s.wrote({ text: `${name} is frozen no more`, entityIds: null, undo: () => freeze(frozen.reason) });
        }}
      >
        <p>Its limits and those above it decide again. What is frozen above or below it stays frozen.</p>
      </Confirm>
    );
  return (
    <Confirm
      title={`Freeze ${name}?`}
      action="Freeze"
      danger
      ready={reason.trim() !== ""}
      onClose={onClose}
      onConfirm={async () => {
        await freeze(reason.trim());
        s.wrote({ text: `${name} is frozen`, entityIds: null, undo: thaw });
      }}
    >
      <p>From now on every request of it and of all below it is denied, whatever the limits say. Usage that happened is still recorded.</p>
      <Text
        wide
        label="Reason"
        value={reason}
        onChange={v => setReason(v.slice(0, 500))}
        hint="Shown in every denial and in the history"
        autoFocus
      />
    </Confirm>
  );
}
