import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const api = process.env.BURSAR_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/api": api } },
  build: {
    target: "es2022",
    // A policy that allows nothing inline also has no room for data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { input: { console: resolve(import.meta.dirname, "console.html"), embed: resolve(import.meta.dirname, "embed.html") } },
  },
});
