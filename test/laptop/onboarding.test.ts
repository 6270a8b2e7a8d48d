// The server takes an application from no proxy to STRICT, under load, and goes on where it was when it was killed. It takes three minutes: run where WEFT_DEMO is set.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Onboarding, StepName } from '../../src/adoption/onboarding/onboarding.ts'
import { STEP_NAMES } from '../../src/adoption/onboarding/onboarding.ts'
import { checkCalls, echoMesh, TO_BACK } from './echo-mesh.ts'
import { launchMesh, type TestMesh, until } from './mesh.ts'
import { plaintext } from './outsider.ts'

const DEMO = process.env['WEFT_DEMO']
const MINUTE_MS = 60_000

const APPLICATION = `
apiVersion: adoption.weft.dev/v1alpha1
kind: Application
metadata: { name: back, namespace: default }
spec:
  workloads: [{ name: back-v1 }]
  owner: { team: shop }
  criticality: low
`

/** Hours and days are seconds here: as long as telemetry needs, which comes every five. */
const ONBOARDING = `
apiVersion: adoption.weft.dev/v1alpha1
kind: Onboarding
metadata: { name: back, namespace: default }
spec:
  leaveOut: { gateway: it is called by front alone }
  windows: { watch: 6s, baseline: 60s, authorization: 12s, strict: 12s, settle: 2m }
  limits: { requests: 10, slower: 10, slowerMs: 500 }
`

let mesh: TestMesh
let adoption: string
beforeAll(async () => {
  if (!DEMO) return
  const { 'back-v2.yaml': _, 'subsets.yaml': _none, ...texts } = echoMesh({ backs: 2 })
  const outside = texts['back-v1.yaml']?.replace(
    'metadata: { labels: {',
    'metadata: { labels: { sidecar.istio.io/inject: "false",',
  )
  mesh = await launchMesh({ texts: { ...texts, 'back-v1.yaml': outside ?? '' }, args: ['--adoption', 'adoption'] })
  adoption = join(mesh.home, 'adoption')
  mkdirSync(join(adoption, 'applications'), { recursive: true })
  writeFileSync(join(adoption, 'applications', 'default.back.yaml'), APPLICATION)
  await mesh.line(/^Mesh .* is ready/, 90_000)
  await mesh.synced()
})
afterAll(() => mesh?.dispose())

async function status(): Promise<Onboarding | undefined> {
  const { code, stdout } = await mesh.weft('adopt', 'status', 'default/back', '--folder', adoption, '-o', 'json')
  return code === 0 ? (JSON.parse(stdout) as Onboarding) : undefined
}

/** Waits until a step is done, or says what holds it. */
async function done(step: StepName): Promise<void> {
  let last: Onboarding | undefined
  try {
    await until(4 * MINUTE_MS, async () => {
      last = await status()
      return ['done', 'nothing to do', 'left out'].includes(last?.steps[step].state ?? '')
    })
  } catch (error) {
    throw new Error(`${step} is not done: ${JSON.stringify(last, null, 1)}\n${mesh.logs()}`, { cause: error })
  }
}

async function killServer(): Promise<void> {
  const killed = mesh.planePid('server')
  process.kill(killed ?? 0, 'SIGKILL')
  await until(MINUTE_MS, () => ![undefined, killed].includes(mesh.planePid('server')))
}

test.skipIf(!DEMO)(
  'an Onboarding in the files of a mesh is carried on to STRICT',
  { timeout: 10 * MINUTE_MS },
  async () => {
    const load = await mesh.load(TO_BACK, checkCalls())
    await load.more(20)
    /** What somebody from outside of the mesh gets of each instance. */
    const outsider = async () => {
      const backs = (await mesh.pods()).filter(({ name, terminating }) => /^back-/.test(name) && !terminating)
      return Promise.all(backs.map(({ address }) => plaintext(address, 8080)))
    }
    expect(await outsider()).toEqual([200, 200])
    await mesh.write('onboarding.yaml', ONBOARDING)
    await done('permissive')
    await killServer()
    await done('mutual-tls')
    await killServer()
    await done('strict')
    const { steps, history } = (await status()) as Onboarding
    expect(STEP_NAMES.map((name) => steps[name].state)).toEqual([
      ...['done', 'left out', 'done', 'done', 'done', 'done', 'nothing to do', 'done', 'done', 'done'],
    ])
    expect(history.filter(({ says }) => /taken back|regression/.test(says))).toEqual([])
    expect(await outsider()).toEqual(['refused', 'refused'])
    await load.more(20)
    const { requests, failures } = await load.stop()
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(100)
  },
)
