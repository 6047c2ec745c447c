// The governance view as a React component, for React 18 and later. Copy this file into your product.
//
//   <BursarGovernance baseUrl="https://bursar.example.com" customer="acme" refreshToken={askBackend} />
import { type CSSProperties, createElement, useEffect, useRef } from "react";

type Place = { view: string; node: string | null; capability: string | null };

export type BursarGovernanceProps = {
  /** Where Bursar is. */
  baseUrl: string;
  customer: string;
  /** Asks your backend for an access token of that customer: now, before each one ends, and when customer is another. */
  refreshToken: (customer: string) => Promise<string>;
  view?: "overview" | "usage" | "tree" | "stopped" | "requests" | "explain" | "activity";
  node?: string | null;
  capability?: string;
  locale?: string;
  theme?: "auto" | "light" | "dark";
  maxHeight?: number;
  className?: string;
  style?: CSSProperties;
  onReady?: (at: Place) => void;
  onNavigate?: (at: Place) => void;
  onChange?: (change: { text: string; entityIds: string[] | null }) => void;
  onTokenExpired?: (why: { message: string }) => void;
  onError?: (problem: { code: string; message: string }) => void;
};

export function BursarGovernance(props: BursarGovernanceProps) {
  const ref = useRef<HTMLElement & { refreshToken?: BursarGovernanceProps["refreshToken"] }>(null);
  // The listeners are those of the last rendering.
  const now = useRef(props);
  now.current = props;

  useEffect(() => load(props.baseUrl), [props.baseUrl]);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    element.refreshToken = customer => now.current.refreshToken(customer);
    const listen = (name: string, heard: (detail: never) => void) => {
      const listener = (e: Event) => heard((e as CustomEvent<never>).detail);
      element.addEventListener(name, listener);
      return () => element.removeEventListener(name, listener);
    };
    const ends = [
      listen("bursar-ready", d => now.current.onReady?.(d)),
      listen("bursar-navigate", d => now.current.onNavigate?.(d)),
      listen("bursar-change", d => now.current.onChange?.(d)),
      listen("bursar-token-expired", d => now.current.onTokenExpired?.(d)),
      listen("bursar-error", d => now.current.onError?.(d)),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, []);

  return createElement("bursar-governance", {
    ref,
    "base-url": props.baseUrl,
    customer: props.customer,
    view: props.view,
    node: props.node ?? undefined,
    capability: props.capability,
    locale: props.locale,
    theme: props.theme,
    "max-height": props.maxHeight,
    class: props.className,
    style: props.style,
  });
}

/** Loads the element once. */
function load(baseUrl: string) {
  const src = new URL("/embed.js", baseUrl).href;
  if (customElements.get("bursar-governance") || document.querySelector(`script[src="${src}"]`)) return;
  const script = document.createElement("script");
  script.src = src;
  document.head.append(script);
}
