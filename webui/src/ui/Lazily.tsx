import { type ComponentType, lazy, type ReactNode, Suspense, useState } from "react";
import { Guard } from ".";

type Load<P> = () => Promise<{ default: ComponentType<P> }>;

/**
 * A part of the page that is loaded when it is first shown. Where that fails it says so in its
 * own place, and can be tried again: what was typed elsewhere stays.
 */
export function lazily<P extends object>(load: Load<P>, waiting: ReactNode = null): ComponentType<P> {
  let Part = lazy(load);
  return function Lazily(props: P) {
    const [, again] = useState(0);
    const retry = () => {
      Part = lazy(load);
      again(n => n + 1);
    };
    return (
      <Guard onRetry={retry}>
        <Suspense fallback={waiting}>
          <Part {...props} />
        </Suspense>
      </Guard>
    );
  };
}
