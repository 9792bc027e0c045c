import { defineConfig } from "vitest/config";

// One browser at a time: the machine's cores are for the page.
export default defineConfig({
  test: {
    include: ["end-to-end/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A busy machine takes longer than the second that is the default.
    expect: { poll: { timeout: 30_000 } },
  },
});
