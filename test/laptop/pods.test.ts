// Deployments that change while requests run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { podFolder } from '../../src/agent/supervise/folders.ts'
import { GrpcClient, LANGUAGES } from '../traffic/grpc-clients/clients.ts'
import { checkout, startMesh, type TestMesh, until } from './mesh.ts'

const echo = readFileSync(join(checkout, 'samples/echo/echo.yaml'), 'utf8')
const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: 8080, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: echo }
spec:
  parentRefs: [{ name: front }]
  rules: [{ backendRefs: [{ name: echo, port: 80 }] }]
`

const folder = mkdtempSync(join(tmpdir(), 'weft-images-'))
const images = join(folder, 'images.yaml')
const program = join(checkout, 'samples/echo/echo.ts')
const map = `images:\n  docker.io/weft/echo: { command: [node, ${program}] }\n`

let mesh: TestMesh
beforeAll(async () => {
  writeFileSync(images, map)
  mesh = await startMesh({ texts: { 'echo.yaml': echo, 'gateway.yaml': gateway }, args: ['--images', images] })
})
afterAll(async () => {
  await mesh?.dispose()
  rmSync(folder, { recursive: true })
})

const pods = async () => (await mesh.pods()).map(({ name, terminating }) => (terminating ? `(${name})` : name)).sort()

/** Waits until these pods run, all of them ready, and no other. */
async function settled(...names: string[]): Promise<void> {
  await until(60_000, async () => {
    const statuses = await mesh.api<{ key: string; ready: boolean }[]>('pods/status')
    const ready = statuses.filter(({ ready }) => ready).map(({ key }) => key.split('/')[1])
    return (await pods()).join() === names.join() && ready.sort().join() === names.join()
  })
}

/** Pods that answer. */
async function answering(requests: number): Promise<string[]> {
  const seen = new Set<string>()
  for (let n = 0; n < requests; n++) seen.add((JSON.parse((await mesh.get('/')).body) as { pod: string }).pod)
  return [...seen].sort()
}

test('an application may call by gRPC without its proxy, configured by the file that its environment names', async () => {
  await settled('echo-v1-0', 'echo-v2-0', 'front-weft-0')
  const [caller] = await mesh.pods()
  const bootstrap = join(podFolder({ run: mesh.run }, caller?.address ?? ''), 'grpc-bootstrap.json')
  const command = await LANGUAGES['grpc-js']?.()
  if (!command) throw new Error('grpc-js is a dependency')
  const client = new GrpcClient(command, bootstrap)
  const { details } = await client.call('xds:///echo:80')
  client.stop()
  // The echo speaks no gRPC. That it answered is seen by how its JSON is read as the head of a message: a length of `"pod`.
  expect(details).toContain(`${Buffer.from('"pod').readUInt32BE()}`)
})

test('scales up and down with no failed request', { timeout: 120_000 }, async () => {
  const load = await mesh.load('/?delay=20', { clients: 8, pause: 5 })
  await load.more(50)
  await mesh.write('echo.yaml', echo.replace('replicas: 1', 'replicas: 3'))
  await settled('echo-v1-0', 'echo-v1-1', 'echo-v1-2', 'echo-v2-0', 'front-weft-0')
  expect(await answering(40)).toEqual(['echo-v1-0', 'echo-v1-1', 'echo-v1-2', 'echo-v2-0'])
  await mesh.write('echo.yaml', echo)
  await settled('echo-v1-0', 'echo-v2-0', 'front-weft-0')
  expect(await answering(20)).toEqual(['echo-v1-0', 'echo-v2-0'])
  const { requests, failures } = await load.stop()
  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(200)
})

test('rolls out another template with no failed request', { timeout: 120_000 }, async () => {
  const load = await mesh.load('/', { clients: 8, pause: 5 })
  await load.more(50)
  await mesh.write(
    'echo.yaml',
    echo.replace('{ name: SERVICE_VERSION, value: v1 }', '{ name: SERVICE_VERSION, value: v1.1 }'),
  )
  await settled('echo-v1-1', 'echo-v2-0', 'front-weft-0')
  await until(30_000, async () => (JSON.parse((await mesh.get('/')).body) as { version: string }).version === 'v1.1')
  await mesh.write('echo.yaml', echo)
  await settled('echo-v1-0', 'echo-v2-0', 'front-weft-0')
  const { failures } = await load.stop()
  expect(failures).toEqual([])
})

test('calls over HTTP and TCP from one pod to another', async () => {
  const { plan } = await mesh.pod('echo-v1-0')
  const tcp = plan.serviceEnv['ECHO_PORT_9000_TCP']
  const { body } = await mesh.get(
    `/call?url=http://echo/&url=http://echo.default.svc.cluster.local:80/&times=4&url=${tcp}`,
  )
  const { answers } = JSON.parse(body) as { answers: { url: string; status?: number; body: string }[] }
  const http = answers.filter(({ url }) => url.startsWith('http'))
  expect(http.map(({ status }) => status)).toEqual(Array(8).fill(200))
  const lines = answers.filter(({ url }) => url === tcp)
  expect(new Set(lines.map(({ body }) => body.trim()))).toEqual(new Set(['v1', 'v2']))
})

test('an image that nothing stands in for is told, and disturbs nobody', async () => {
  const load = await mesh.load('/')
  const redis = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: redis }
spec:
  selector: { matchLabels: { app: redis } }
  template:
    metadata: { labels: { app: redis } }
    spec: { containers: [{ name: redis, image: redis:7 }] }
`
  await mesh.write('redis.yaml', redis)
  const said = await mesh.line(/no-program-for-image/)
  expect(said).toMatch(/redis\.yaml:9:\d+: error: Deployment default\/redis: .*image redis:7/)

  writeFileSync(images, `${map}  redis: { cmd: node }\n`)
  expect(await mesh.line(/broken-image-map/)).toContain('images.redis.cmd is not known')
  writeFileSync(images, `${map}  redis: { command: [node, ${program}] }\n`)
  await mesh.line(/no longer: .*broken-image-map/)
  await settled('echo-v1-0', 'echo-v2-0', 'front-weft-0', 'redis-0')
  await mesh.remove('redis.yaml')
  await load.more(20)
  expect((await load.stop()).failures).toEqual([])
})

test('a program that crashes is told with its last words', async () => {
  const crashing = echo
    .split('---\n')
    .find((text) => text.includes('name: echo-v1'))
    ?.replaceAll('echo-v1', 'crashing')
    .replaceAll('app: echo', 'app: crashing')
    .replace('env:', 'args: ["--no-such-thing"]\n          env:\n            - { name: PORT, value: "nonsense" }')
  await mesh.write('crashing.yaml', crashing ?? '')
  expect(await mesh.line(/default\/crashing-0: echo ended with code/)).toContain('its log is')
  await mesh.remove('crashing.yaml')
  await settled('echo-v1-0', 'echo-v2-0', 'front-weft-0')
})

test('a second Ctrl-C does not wait for requests under way, and leaves nothing either', async () => {
  const slow = mesh.get('/?delay=20000').then(
    () => 'answered',
    () => 'cut',
  )
  const front = await mesh.pod('front-weft-0')
  await until(30_000, async () =>
    [...(await front.stats(/^http\..*downstream_rq_active$/)).values()].some((count) => count > 0),
  )
  const from = mesh.output.length
  mesh.process.kill('SIGINT')
  await mesh.line(/^stopping/, 30_000, from)
  const began = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 600)) // so soon it would be the first one again
  mesh.process.kill('SIGINT')
  expect(await mesh.exited).toBe(0)
  expect(performance.now() - began).toBeLessThan(15_000)
  expect(await slow).toBe('cut')
  expect(mesh.processes()).toEqual([])
})
