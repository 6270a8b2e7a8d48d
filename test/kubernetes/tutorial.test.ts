// The tutorial for clusters, followed to the letter: each block of commands is run, and what the page shows below it is what comes of them.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, noCluster, useCluster } from './cluster.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SAMPLES = join(ROOT, '../shared/corpus/istio-samples/bookinfo')
/** Has kubectl, where the lab does. */
const LAB_BIN = join(
  process.env['KUBE_LAB'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kube-lab'),
  'bin',
)
/** Where the page says that the samples are: tests take them from a folder. */
const PUBLISHED = /https:\/\/raw\.githubusercontent\.com\/\S+\/samples\/bookinfo/
const hasSamples = existsSync(SAMPLES)
if (!hasSamples) console.warn(`skipped: no published samples at ${SAMPLES}`)

interface Step {
  readonly heading: string
  readonly commands: string
  /** Lines that are to be in the output, in this order; `…` stands for anything. */
  readonly shown: readonly string[]
}

describe.skipIf(noCluster || !hasSamples)('docs/tutorial-kubernetes.md', () => {
  const steps = stepsOf(readFileSync(join(ROOT, 'docs/tutorial-kubernetes.md'), 'utf8'))
  let cluster: Cluster
  let samples: Server
  let shell: Shell

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.othersGone()
    samples = createServer((request, response) => createReadStream(join(SAMPLES, request.url ?? '')).pipe(response))
    await new Promise<void>((resolve) => samples.listen(0, '127.0.0.1', resolve))
    shell = new Shell(cluster)
  }, CLUSTER_MS)

  afterAll(async () => {
    shell?.end()
    samples?.close()
    await cluster?.kubectl('delete', 'namespace', 'bookinfo', '--ignore-not-found', '--timeout=60s')
  })

  test('can be followed to the letter', async () => {
    const url = `http://127.0.0.1:${(samples.address() as AddressInfo).port}`
    expect(steps.length).toBeGreaterThan(10)
    for (const { heading, commands, shown } of steps) {
      // Whatever mesh runs on this machine.
      const ours = commands.replaceAll(/^npx weft .*$/gm, '$& --kubeconfig "$KUBECONFIG"')
      const output = await shell.run(ours.replace(PUBLISHED, url))
      const lines = output.split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim())
      let from = 0
      for (const wanted of shown) {
        const found = lines.findIndex((line, i) => i >= from && patternOf(wanted).test(line))
        expect(found, `${heading}: "${wanted}" is not in:\n${output}`).toBeGreaterThanOrEqual(0)
        from = found + 1
      }
    }
  }, 600_000)
})

/** What the page has between ```sh, and between ```text below that. */
function stepsOf(page: string): readonly Step[] {
  const steps: { heading: string; commands: string; shown: readonly string[] }[] = []
  let heading = ''
  for (const [, title, language, content = ''] of page.matchAll(/^## (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title
    if (language === 'sh') steps.push({ heading, commands: content, shown: [] })
    const last = steps.at(-1)
    if (language === 'text' && last) last.shown = content.trim().split('\n')
  }
  return steps
}

function patternOf(line: string): RegExp {
  const parts = line.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

/** A shell that stays, as a person's does. */
class Shell {
  readonly #bash: ChildProcessWithoutNullStreams
  #output = ''
  #told: () => void = () => {}
  #count = 0

  constructor({ kubeconfig }: Cluster) {
    const PATH = [join(ROOT, 'node_modules/.bin'), LAB_BIN, process.env['PATH']].join(':')
    this.#bash = spawn('bash', ['--norc'], { cwd: ROOT, env: { ...process.env, PATH, KUBECONFIG: kubeconfig } })
    for (const stream of [this.#bash.stdout, this.#bash.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#told()
      })
    this.#bash.stdin.on('error', () => {})
    this.#bash.on('close', () => this.#told())
    // A command that fails ends it, as a reader would stop there.
    this.#bash.stdin.write('set -e -o pipefail\n')
  }

  /** All that the commands print. Rejects where one of them fails. */
  async run(commands: string): Promise<string> {
    const mark = `done-${++this.#count}`
    this.#output = ''
    this.#bash.stdin.write(`{\n${commands}\n} < /dev/null\necho ${mark}\n`)
    while (!this.#output.includes(`${mark}\n`)) {
      if (this.#bash.exitCode !== null) throw new Error(`the commands failed:\n${commands}\n${this.#output}`)
      await new Promise<void>((resolve) => {
        this.#told = resolve
      })
    }
    return this.#output.replace(`${mark}\n`, '')
  }

  end(): void {
    this.#bash.kill()
  }
}
