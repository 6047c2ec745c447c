import type { Theme } from "../lib/theme";

// What the element in the vendor's page and the page in its frame say to each other.

export const channel = "bursar-governance";

export type Settings = {
  customer: string;
  token?: string;
  theme: Theme;
  /** The part that is shown: overview, usage, tree, explain or activity. */
  view?: string;
  /** The entity that is open. */
  node?: string;
  /** The feature or currency that is looked at: "credits", "currency:credits". */
  capability?: string;
  /** How numbers and dates are written: "de-CH". */
  locale?: string;
  /** Of how many places that the reader went to the vendor's page had been told when it said this. */
  heard?: number;
  /** Custom properties named --bursar-…, as the vendor's page has them. */
  properties: Record<string, string>;
};

/** What the element dispatches to the vendor's page, each as bursar-…, with what the frame says of it. */
export const events = ["ready", "navigate", "change", "token-expired", "error"] as const;
export type EventName = (typeof events)[number];

/** What the frame may ask of the element. */
export type Host = {
  /** The frame is there and waits for its settings. */
  ready: () => void | Promise<void>;
  refreshToken: () => Promise<string | null>;
  height: (px: number) => void | Promise<void>;
  /** place: how many places the reader has gone to; none where the vendor's page asked for this one. */
  tell: (event: EventName, detail: Record<string, unknown>, place?: number) => void | Promise<void>;
};
