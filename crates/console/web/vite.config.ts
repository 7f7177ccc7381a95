/// <reference types="vitest/config" />
// Builds the console into ../assets, which the server embeds. The same sources give the same bytes:
// names are content hashes, and nothing of the machine (time, path) goes in.
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const SERVER = process.env.SEALWIRE_CONSOLE ?? "http://127.0.0.1:7480";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: {
      "@": fileURLToPath(new URL("./src", import.meta.url)),
      "react-style-singleton": fileURLToPath(new URL("./src/lib/style-singleton.ts", import.meta.url)),
    },
  },
  build: {
    outDir: "../assets",
    emptyOutDir: true,
    target: "es2023",
    cssTarget: ["chrome125", "firefox128", "safari18"],
    // Nothing as data: address, because the content security policy refuses most of them.
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": { target: SERVER, ws: true } } },
  test: {
    environment: "jsdom",
    setupFiles: ["src/test/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    env: { TZ: "Asia/Shanghai" },
  },
});
