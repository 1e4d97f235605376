import { defineConfig } from 'vitest/config'

export default defineConfig({
  // In here `graphql` would resolve to its .mjs files, for packages loaded by node to its .js files: two realms in one process.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: files that start servers and lanes would only wait for each other.
    maxWorkers: 2,
  },
})
