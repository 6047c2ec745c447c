import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Problem } from "../api/client";
import { setLocale } from "../api/locale";
import { applyTheme, type Theme } from "../lib/theme";
import { watchDrafts } from "../ui/draft";
import "../ui/theme.css";
import "../ui/base.css";
import { App } from "./App";
import "./console.css";

setLocale(navigator.language);
watchDrafts();
applyTheme((localStorage.getItem("bursar-theme") as Theme | null) ?? "auto");

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 3000,
      retry: (failures, e) => failures < 2 && e instanceof Problem && (e.body.retryable ?? false),
      retryDelay: n => 600 * 2 ** n,
    },
  },
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
