// `npm test`: every test. Those on a cluster mostly wait, for pods and probes; so they run beside all others (with one that waits for long), and the whole
// takes little longer than the slower half. What is given after `npm test --` goes to one ordinary run of vitest.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))

/** Where a report for machines goes besides what is printed: a file, named by `.ci/run`. */
const report = process.env['WEFT_TEST_REPORT']

/** What runs side by side: projects of vitest.config.ts, and what stands before their lines. */
const lanes = [
  { name: 'machine', projects: ['unit', 'live'] },
  { name: 'cluster', projects: ['cluster', 'long'] },
]

/** Ends with the exit code of vitest; where a `lane` is given, each line that it prints begins with that. */
function run(args: readonly string[], lane?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const stdio = lane === undefined ? 'inherit' : (['ignore', 'pipe', 'pipe'] as const)
    const child = spawn(process.execPath, [vitest, ...args], { cwd: root, stdio: stdio as 'inherit' })
    for (const stream of [child.stdout, child.stderr] as (Readable | null)[]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => console.log(`${lane} | ${line}`))
    }
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

async function runAll(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-test-'))
  try {
    const codes = await Promise.all(
      lanes.map(({ name, projects }) => {
        const blob = ['--reporter=default', '--reporter=blob', `--outputFile.blob=${join(folder, `${name}.json`)}`]
        return run(['run', ...projects.flatMap((project) => ['--project', project]), ...blob], name)
      }),
    )
    console.log()
    // Once more all that failed, and the counts of both.
    const json = report === undefined ? [] : ['--reporter=json', `--outputFile.json=${report}`]
    const merged = await run([`--merge-reports=${folder}`, '--reporter=dot', ...json])
    return Math.max(merged, ...codes)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const given = process.argv.slice(2)
process.exitCode = given.length > 0 ? await run(['run', ...given]) : await runAll()
