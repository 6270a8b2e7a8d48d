import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** Where a report for machines goes besides what is printed: a file, named by `.ci/run`. */
const report = process.env['WEFT_TEST_REPORT']

/** What is polled for comes late where the machine is busy: vitest would give up after a second. */
const PATIENT = { poll: { timeout: 30_000 } }

// Two projects: first the unit tests beside what they test, quick and side by side; then what starts processes and Envoys,
// one file after the other, since each of those has a machine's worth of them. Orders count from 1: on a machine with two
// cores vitest would put those of order 0 last.
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
          testTimeout: 30_000,
          expect: PATIENT,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'live',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          maxWorkers: 1,
          globalSetup: ['test/kubernetes/cluster-of-run.ts'],
          testTimeout: 120_000,
          expect: PATIENT,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
