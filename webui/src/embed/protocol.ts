import type { Theme } from "../lib/theme";

// What the element in the vendor's page and the page in its frame say to each other.

export const channel = "bursar-governance";

export type Settings = {
  customer: string;
  token?: string;
  theme: Theme;
  /** The part that is shown first: overview, usage, tree, explain or activity. */
  view?: string;
  /** Custom properties named --bursar-…, as the vendor's page has them. */
  properties: Record<string, string>;
};

/** What the frame may ask of the element. */
export type Host = {
  /** The frame is there and waits for its settings. */
  ready: () => void | Promise<void>;
  refreshToken: () => Promise<string | null>;
  height: (px: number) => void | Promise<void>;
};
