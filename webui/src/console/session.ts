import { createContext, useContext } from "react";
import type { Api } from "../api/client";

/** The API as the key that signed in may use it. */
export const ApiContext = createContext<Api | null>(null);

export function useApi(): Api {
  const api = useContext(ApiContext);
  if (!api) throw new Error("not signed in");
  return api;
}
