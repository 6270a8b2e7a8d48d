// Certificates that last 20 s, for two minutes under load: the one long test of these.
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkCalls, echoMesh, TO_BACK } from './echo-mesh.ts'
import { startMesh, type TestMesh, type TestPod, until } from './mesh.ts'
import { underLoad } from './under-load.ts'

const LIFE_MS = 20_000
const LONG_MS = 120_000
/** Gentle, as it goes on for so long. */
const GENTLE = { clients: 2, pause: 40 }

/** A connection, and so a handshake, for every single request. */
const shortConnections = ['front', 'back'].map(
  (host) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host}-connections }
spec: { host: ${host}, trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } } }
`,
)

let mesh: TestMesh
let pods: TestPod[]
beforeAll(async () => {
  const { 'subsets.yaml': _, ...texts } = echoMesh()
  texts['connections.yaml'] = shortConnections.join('---')
  mesh = await startMesh({ texts, args: ['--certificate-life', `${LIFE_MS}ms`] })
  pods = await Promise.all((await mesh.pods()).map(({ name }) => mesh.pod(name)))
})
afterAll(() => mesh?.dispose())

interface Certificates {
  readonly certificates: readonly {
    readonly cert_chain: readonly { readonly serial_number: string; readonly expiration_time: string }[]
  }[]
}

/** Serial numbers and ends (ms since the epoch) of the certificates that an Envoy shows to its peers now. */
async function shown(pod: TestPod): Promise<{ serial: string; end: number }[]> {
  const { certificates } = JSON.parse(await pod.admin('/certs')) as Certificates
  return certificates.flatMap(({ cert_chain: [leaf] }) =>
    leaf ? [{ serial: leaf.serial_number, end: Date.parse(leaf.expiration_time) }] : [],
  )
}

test('certificates are renewed in time, again and again, with no request noticing', {
  timeout: LONG_MS + 60_000,
}, async () => {
  const serials = new Map(pods.map(({ plan }) => [plan.key, new Set<string>()]))
  let requests = 0
  await underLoad(mesh, TO_BACK, { ...checkCalls(), ...GENTLE }, async (load) => {
    const end = performance.now() + LONG_MS
    while (performance.now() < end) {
      for (const pod of pods) {
        const now = Date.now()
        const certificates = await shown(pod)
        expect(certificates.length).toBeGreaterThan(0)
        for (const { serial, end } of certificates) {
          expect(end - now).toBeLessThanOrEqual(LIFE_MS + 1000) // in whole seconds
          // An Envoy may keep a context of a connection that is being closed; none that it uses has run out.
          expect(end).toBeGreaterThan(now)
          serials.get(pod.plan.key)?.add(serial)
        }
      }
      await load.more(40)
    }
    requests = load.result().requests
  })
  const front = await mesh.pod('front-v1-0')
  const [handshakes = 0] = (await front.stats(/^listener\.127.*_8080\.ssl\.handshake$/)).values()
  expect(handshakes).toBeGreaterThanOrEqual(requests)
  for (const [pod, seen] of serials) expect({ pod, enough: seen.size >= 4 }).toEqual({ pod, enough: true })
})

test('the agent, killed, is followed by one that makes new certificates for all, before the old ones end', async () => {
  await underLoad(mesh, TO_BACK, { ...checkCalls(), ...GENTLE }, async (load) => {
    const before = new Set((await Promise.all(pods.map(shown))).flat().map(({ serial }) => serial))
    const pid = mesh.planePid('agent')
    process.kill(pid ?? 0, 'SIGKILL')
    const renewed = async () => (await Promise.all(pods.map(shown))).flat().every(({ serial }) => !before.has(serial))
    // Had old ones ended before, a handshake would have failed, and with it a request.
    await until(30_000, renewed)
    expect(mesh.planePid('agent')).not.toBe(pid)
    await load.more(50)
  })
})
