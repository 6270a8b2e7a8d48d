import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BOOKINFO, PAGE, reviewsVersion } from '../test/laptop/bookinfo.ts'
import { startMesh, type TestMesh } from '../test/laptop/mesh.ts'

/** Bookinfo on real Envoys on this machine; times in milliseconds. */
export interface LaptopMesh {
  /** From the command to the first line that says that it is ready. */
  readonly ready: number
  /** From an edit of a file until a page is of it; each edit. */
  readonly edits: readonly number[]
  /** From the end of an Envoy until it is ready again; each kill. */
  readonly kills: readonly number[]
}

const ROUNDS = 7

/** Brings the mesh up, edits a route and kills an Envoy, again and again, and takes it down. */
export async function measureLaptopMesh(): Promise<LaptopMesh> {
  const ready = clock()
  const mesh = await startMesh({ files: BOOKINFO })
  try {
    const took = ready()
    const edits: number[] = []
    const kills: number[] = []
    for (let round = 0; round < ROUNDS; round++) edits.push(await edit(mesh, `v${1 + (round % 3)}`))
    for (let round = 0; round < ROUNDS; round++) kills.push(await kill(mesh))
    return { ready: took, edits, kills }
  } finally {
    await mesh.dispose()
  }
}

/** For people. */
export function laptopMeshText({ ready, edits, kills }: LaptopMesh): string {
  const times = (all: readonly number[]) => `median ${ms(median(all))}, at most ${ms(Math.max(...all))}`
  return [
    'Bookinfo on real Envoys on this machine:',
    `  ready after ${ms(ready)}`,
    `  an edit of a route is in effect after: ${times(edits)}`,
    `  an Envoy that is killed is ready again after: ${times(kills)}`,
  ].join('\n')
}

async function edit(mesh: TestMesh, version: string): Promise<number> {
  const took = clock()
  writeFileSync(
    join(mesh.folder, 'reviews.yaml'),
    `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec: { hosts: [reviews], http: [{ route: [{ destination: { host: reviews, subset: ${version} } }] }] }
`,
  )
  // Before the first edit all versions answer in turn: three pages in a row are of one only by that.
  for (let alike = 0; alike < 3; ) alike = reviewsVersion((await mesh.get(PAGE)).body) === version ? alike + 1 : 0
  return took()
}

async function kill(mesh: TestMesh): Promise<number> {
  const pod = await mesh.pod('reviews-v2-0')
  const status = async () =>
    (await mesh.api<{ key: string; ready: boolean; restarts: number }[]>('pods/status')).find(
      ({ key }) => key === pod.plan.key,
    )
  const restarts = (await status())?.restarts ?? 0
  const took = clock()
  process.kill(pod.pid('envoy'), 'SIGKILL')
  for (;;) {
    const now = await status()
    if (now?.ready && now.restarts > restarts) return took()
  }
}

function median(all: readonly number[]): number {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN
}

function clock(): () => number {
  const began = performance.now()
  return () => performance.now() - began
}

function ms(time: number): string {
  return time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`
}
