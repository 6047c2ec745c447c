import { digest } from "../lib/digest";
import { type Api, isStatus } from "./client";

/** What a credential may do with one customer, so that only that is offered. */
export type Rights = {
  /** Limits, boosts, names and places. */
  edit: boolean;
  /** Entities made and archived: the vendor's backend does that, with an API key. */
  provision: boolean;
  /** The entity whose subtree is all that the credential sees. It may not be changed itself. */
  root: string | null;
  /** Whose credential it is: the same for another token of the same person, if tokens name one. */
  who: string;
};

/**
 * An access token says what it allows; the server decides all the same. An API key may
 * write if it may do what only keys of full scope may: list the keys.
 */
export async function rightsOf(api: Api): Promise<Rights> {
  const claims = claimsOf(api.token());
  if (claims) {
    const root = claims.rootEntityId ?? null;
    const edit = claims.permissions.includes("manage");
    return { edit, provision: false, root, who: `${claims.sub ?? digest(api.token())}:${root ?? ""}:${edit}` };
  }
  const edit = await isFull(api);
  return { edit, provision: edit, root: null, who: digest(api.token()) };
}

async function isFull(api: Api): Promise<boolean> {
  try {
    await api.get("/api-keys", { limit: 1 });
    return true;
  } catch (e) {
    if (isStatus(e, 403)) return false;
    throw e;
  }
}

type Claims = { permissions: string[]; rootEntityId?: string; customerId?: string; sub?: string };

/** What is written in an access token, unverified: for what to show, never for what to allow. */
export function claimsOf(token: string): Claims | null {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const bytes = Uint8Array.from(atob((parts[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(claims.permissions) ? claims : null;
  } catch {
    return null;
  }
}
