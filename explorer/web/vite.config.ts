import { defineConfig } from "vitest/config";

// The names carry no hashes, so that a build from unchanged sources is the same files.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" },
    modulePreload: { polyfill: false },
    target: "es2022",
    rolldownOptions: {
      // The worker is an entry of its own, so that the licenses of what it uses are told as well.
      input: { explorer: "index.html", worker: "src/frames/worker.ts" },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  test: { include: ["tests/**/*.test.ts"] },
});
