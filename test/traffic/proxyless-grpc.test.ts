import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { type TestPod, testPod } from '../translate/test-pods.ts'
import { GrpcClient, LANGUAGES, METHOD, type Outcome } from './grpc-clients/clients.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: echo }
spec: { selector: { app: echo }, ports: [{ name: grpc, port: 7070 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec:
  host: echo
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`

const routed = (http: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http:
${http}`

const commands = new Map(
  await Promise.all(Object.entries(LANGUAGES).map(async ([language, find]) => [language, await find()] as const)),
)

let mesh: MeshOfEnvoys
let bootstrap: string
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  const caller = await testPod({ name: 'caller', labels: { app: 'caller' } })
  const pods = await Promise.all(
    ['v1', 'v2'].map((version) =>
      testPod({
        name: `echo-${version}`,
        labels: { app: 'echo', version },
        proxy: false,
        serves: { echo: { grpc: 7070 }, brief: { grpc: 7070 } },
      }),
    ),
  )
  for (const pod of pods) stops.push(await grpcApplication(pod))
  mesh.apply(SERVICES, caller.yaml, ...pods.map(({ yaml }) => yaml))
  bootstrap = join(mesh.folder, 'grpc-bootstrap.json')
  writeFileSync(bootstrap, JSON.stringify(await mesh.proxylessBootstrap(caller)))
})

afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

/** Answers each call with its pod's name, those that say that they are slow after a minute. */
async function grpcApplication(pod: TestPod): Promise<() => void> {
  const server = new Server()
  const asBytes = (text: string) => Buffer.from(text)
  const asIs = (bytes: Buffer) => bytes
  server.addService(
    {
      who: {
        path: METHOD,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asBytes,
        responseDeserialize: asIs,
      },
    },
    {
      who: ({ metadata }: ServerUnaryCall<Buffer, string>, answer: sendUnaryData<string>) => {
        if (metadata.get('case').includes('slow')) setTimeout(() => answer(null, pod.name), 60_000).unref()
        else answer(null, pod.name)
      },
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${pod.appAddress}:7070`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    )
  })
  return () => server.forceShutdown()
}

const UNAVAILABLE = 14
const DEADLINE_EXCEEDED = 4

for (const [language, command] of commands)
  describe.skipIf(!command)(`a client of ${language} without a proxy`, () => {
    const target = 'xds:///echo.default.svc.cluster.local:7070'
    let client: GrpcClient

    beforeAll(() => {
      if (command) client = new GrpcClient(command, bootstrap)
      stops.push(() => client.stop())
    })

    const who = async (metadata: Record<string, string> = {}, at = target) => (await client.call(at, metadata)).answer

    /** Calls until the answers of some in a row are those. */
    const answersBecome = (expected: readonly string[], metadata: Record<string, string> = {}) =>
      eventually(
        `answers of ${expected}`,
        async () => {
          const answers: (string | undefined)[] = []
          for (let i = 0; i < 20; i++) answers.push(await who(metadata))
          return String([...new Set(answers)].sort()) === String(expected)
        },
        30_000,
      )

    test('finds a service by each of its names, and all of its pods', async () => {
      mesh.apply(routed('  - route: [{ destination: { host: echo } }]'))
      await answersBecome(['echo-v1', 'echo-v2'])
      for (const name of ['echo', 'echo.default', 'echo.default.svc'])
        expect(await who({}, `xds:///${name}:7070`)).toMatch(/^echo-v[12]$/)
    })

    test('goes by weights, headers and subsets as a proxy does, and follows when they change', async () => {
      mesh.apply(routed('  - route: [{ destination: { host: echo, subset: v1 } }]'))
      await answersBecome(['echo-v1'])
      mesh.apply(
        routed(`
  - match: [{ headers: { end-user: { exact: jason } } }]
    route: [{ destination: { host: echo, subset: v2 } }]
  - route:
    - { destination: { host: echo, subset: v1 }, weight: 100 }
    - { destination: { host: echo, subset: v2 }, weight: 0 }`),
      )
      await answersBecome(['echo-v2'], { 'end-user': 'jason' })
      await answersBecome(['echo-v1'])
      mesh.apply(
        routed(`
  - route:
    - { destination: { host: echo, subset: v1 }, weight: 50 }
    - { destination: { host: echo, subset: v2 }, weight: 50 }`),
      )
      await answersBecome(['echo-v1', 'echo-v2'])
    })

    test('loses no call while its routes change from one subset to the other', async () => {
      const failed: Outcome[] = []
      for (const subset of ['v1', 'v2', 'v1', 'v2', 'v1', 'v2']) {
        mesh.apply(routed(`  - route: [{ destination: { host: echo, subset: ${subset} } }]`))
        await eventually('the change', async () => {
          const outcome = await client.call(target)
          if (outcome.answer === undefined) failed.push(outcome)
          return outcome.answer === `echo-${subset}`
        })
      }
      expect(failed).toEqual([])
    })

    test('gives up after the timeout of its route, and has faults', async () => {
      mesh.apply(
        routed(`
  - match: [{ headers: { case: { exact: fault } } }]
    fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } }
    route: [{ destination: { host: echo } }]
  - match: [{ headers: { case: { exact: slow } } }]
    timeout: 300ms
    route: [{ destination: { host: echo } }]
  - route: [{ destination: { host: echo, subset: v1 } }]`),
      )
      await answersBecome(['echo-v1'])
      expect((await client.call(target, { case: 'fault' })).code).toBe(UNAVAILABLE)
      expect((await client.call(target, { case: 'slow' })).code).toBe(DEADLINE_EXCEEDED)
    })

    test('is told at once when a service goes', async () => {
      const service = `
apiVersion: v1
kind: Service
metadata: { name: brief }
spec: { selector: { app: echo }, ports: [{ name: grpc, port: 7070 }] }`
      mesh.apply(service)
      const brief = 'xds:///brief.default.svc.cluster.local:7070'
      await eventually('the service', async () => (await who({}, brief)) !== undefined)
      mesh.remove(service)
      await eventually('its end', async () => (await client.call(brief)).code === UNAVAILABLE)
    })
  })
