import { defineConfig } from 'vitest/config'

/** What is polled for comes late where the machine is busy: vitest would give up after a second. */
const PATIENT = { poll: { timeout: 30_000 } }

/** Files that start processes and Envoys run one after the other, since each has a machine's worth of them. */
const LIVE = {
  environment: 'node',
  maxWorkers: 1,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: PATIENT,
} as const

/** Files that wait for minutes, while certificates come and go and evidence gathers, and ask little of the machine. */
const LONG = ['labs', 'onboarding', 'restarts', 'survive-ca-rotation', 'survive-rotation'].map(
  (name) => `test/laptop/${name}.test.ts`,
)

// Projects: first the unit tests beside what they test, quick and side by side; then what starts processes and Envoys; and
// what needs a cluster, or a long time, which `npm test` runs beside the others (scripts/test.ts). Orders count from 1: on a
// machine with two cores vitest would put those of order 0 last.
export default defineConfig({
  test: {
    // Prints each file as it ends.
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          include: ['src/**/*.test.ts', 'ui/src/**/*.test.ts'],
          testTimeout: 30_000,
          expect: PATIENT,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...LIVE,
          name: 'live',
          include: ['test/!(kubernetes)/**/*.test.ts'],
          exclude: LONG,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...LIVE,
          name: 'cluster',
          include: ['test/kubernetes/**/*.test.ts'],
          globalSetup: ['test/kubernetes/cluster-of-run.ts'],
          sequence: { groupOrder: 3 },
        },
      },
      { test: { ...LIVE, name: 'long', include: LONG, sequence: { groupOrder: 4 } } },
    ],
  },
})
