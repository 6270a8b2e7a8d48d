import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** Where a report for machines goes besides what is printed: a file, named by `.ci/run`. */
const report = process.env['WEFT_TEST_REPORT']

// Two projects: unit tests beside what they test, quick and side by side; and what starts processes and Envoys, one
// file after the other, since each of those has a machine's worth of them.
export default defineConfig({
  test: {
    // Prints each file as it ends.
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          include: ['src/**/*.test.ts'],
          testTimeout: 10_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'live',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
