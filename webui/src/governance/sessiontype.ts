import type { Api } from "../api/client";
import type { Rights } from "../api/rights";
import type { Capability, EntityType } from "../api/types";

/** The parts of the view. */
export type View = "overview" | "usage" | "tree" | "stopped" | "requests" | "notifications" | "explain" | "activity";

/** What every part of the governance view of one customer needs. */
export type Session = {
  api: Api;
  customerId: string;
  /** Whose drafts are kept, of which customer, and how amounts were typed: what one has typed is not for another. */
  draftsOf: string;
  rights: Rights;
  /** Whether anything may be changed, and whether this entity may. */
  canEdit: boolean;
  mayEdit: (entityId: string) => boolean;
  types: Map<string, EntityType>;
  capabilities: Capability[];
  capability: Capability | null;
  setCapability: (c: Capability) => void;
  /** Opens an entity's drawer. */
  open: (entityId: string | null) => void;
  /** Shows another part, with what its address says of it. */
  go: (view: View, params?: Record<string, string>) => void;
  /** Called after a write, with the entities whose rows may have changed, or null for anything. */
  wrote: (what: Written) => void;
  /** The latest write that can be taken back. */
  undo: Written | null;
};

/** A write that is done, and how to take it back. */
export type Written = {
  text: string;
  entityIds: string[] | null;
  undo?: () => Promise<unknown>;
  /** It could not be taken back: what is shown is read anew, though this has changed nothing. */
  failed?: boolean;
};
