import { once } from 'node:events'
import { createServer, get as httpGet, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { type ClientDuplexStream, credentials, Client as GrpcClient, ServerCredentials, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '#envoy/service/discovery/v3/discovery'
import { KIND, ORIGIN, type Resource } from '../../src/resources/resource.ts'
import { type ProxyResources, TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { AdsServer, type AdsServerOptions } from '../../src/xds/ads-server.ts'
import { nackMessage } from '../../src/xds/nack-message.ts'
import { eventually } from '../eventually.ts'
import { RealEnvoy } from './real-envoy.ts'
import {
  edsCluster,
  endpoints,
  httpListener,
  layered,
  routes,
  withoutResources,
  withResources,
} from './small-resources.ts'

const PROXY = 'default/a'

describe('a real Envoy', () => {
  let resources: ProxyResources
  let server: AdsServer
  let port: number
  let envoy: RealEnvoy
  const nacks: string[] = []
  const recovered: string[] = []
  const errors: unknown[] = []

  const source: Resource = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'web', namespace: 'default' },
    [KIND]: 'networking.istio.io/Gateway',
    [ORIGIN]: { file: 'gateway.yaml', line: 3, text: '' },
  }

  async function serve(address: string): Promise<void> {
    server = new AdsServer({
      authenticate: (_, node) => (node?.id.includes('~a.default~') ? PROXY : { refused: `who is ${node?.id}?` }),
      resources: () => resources,
      onNack: (nack) => nacks.push(nackMessage(nack).problem),
      onRecovered: (proxy, _, name) => recovered.push(`${proxy} ${name}`),
      onError: (_, error) => errors.push(error),
      waits: { warmMs: 5_000, drainMs: 300 },
    })
    port = await server.listen(ServerCredentials.createInsecure(), address)
  }

  function change(next: ProxyResources): void {
    resources = next
    server.changed()
  }

  const count = (type: keyof typeof TYPE_URLS) => server.counts(TYPE_URLS[type])
  const synced = () => server.status()[0]?.types.every(({ state }) => state === 'synced') ?? false

  beforeEach(async () => {
    for (const list of [nacks, recovered, errors]) list.length = 0
    resources = layered(edsCluster('a'), endpoints('a', 9), httpListener('l', 0, 'r', [source]), routes('r', 'a'))
    await serve('127.0.0.1:0')
    envoy = await RealEnvoy.start(port)
    await eventually('Envoy is live and in sync', async () => synced() && (await envoy.stat('server.live')) === 1)
  })

  afterEach(async () => {
    await envoy.stop()
    await server.stop()
    expect(errors).toEqual([])
  })

  test('gets clusters, endpoints, listeners and routes, each once', async () => {
    await eventually(
      'the listener is active',
      async () => (await envoy.stat('listener_manager.total_listeners_active')) === 1,
    )
    expect((await envoy.configs('dynamic_active_clusters')).length).toBe(1)
    expect(JSON.stringify(await envoy.configs('dynamic_route_configs'))).toContain('"weighted_clusters"')
    for (const type of ['cluster', 'endpoints', 'listener', 'routes'] as const)
      expect(count(type), type).toMatchObject({ responses: 1, resources: 1, removed: 0, acks: 1, nacks: 0 })
    const [status] = server.status()
    expect(status).toMatchObject({
      proxy: PROXY,
      node: { cluster: 'a.default', version: expect.stringMatching(/^1\.\d+\.\d+$/) },
    })
    expect(status?.types.map(({ type }) => type)).toEqual(['cluster', 'endpoints', 'listener', 'routes'])
    expect(count('cluster').bytes).toBeGreaterThan(edsCluster('a').any.length)
  })

  test('an endpoint change sends one resource', async () => {
    const before = server.totalCounts()
    change(withResources(resources, endpoints('a', 9, 10)))
    await eventually('both endpoints are there', async () => (await envoy.stat('cluster.a.membership_total')) === 2)
    await eventually('it is acknowledged', synced)
    expect(server.totalCounts().resources - before.resources).toBe(1)
    expect(count('endpoints').resources).toBe(2)
  })

  test('an updated cluster does not stay warming, though its endpoints did not change', async () => {
    change(withResources(resources, edsCluster('a', 2000)))
    await eventually('the new cluster is active', async () =>
      JSON.stringify(await envoy.configs('dynamic_active_clusters')).includes('"connect_timeout":"2s"'),
    )
    expect(await envoy.stat('cluster.a.init_fetch_timeout')).toBe(0)
  })

  test('a subset is replaced by another and removed, and no request fails', async () => {
    const upstreams = [await upstream('one'), await upstream('two')] as const
    const [one, two] = upstreams.map((each) => (each.address() as AddressInfo).port) as [number, number]
    const before = withResources(resources, endpoints('a', one))
    change(before)
    await eventually('the listener is active', async () => (await envoy.ports()).length === 1)
    const [port] = (await envoy.ports()) as [number]
    const seen: string[] = []
    const load = new AbortController()
    const loaded = (async () => {
      while (!load.signal.aborted) seen.push(await get(port))
    })()
    await eventually('requests reach the first', () => seen.includes('200 one'))
    seen.length = 0
    const shifted = withResources(before, edsCluster('b'), endpoints('b', two), routes('r', 'b'))
    change(withoutResources(withoutResources(shifted, 'cluster', 'a'), 'endpoints', 'a'))
    await eventually('the old cluster is gone', async () => !(await envoy.ask('/clusters')).includes('\na::'))
    const atRemoval = seen.length
    await eventually('requests go on', () => seen.length > atRemoval + 20)
    load.abort()
    await loaded
    for (const each of upstreams) each.close()
    expect(new Set(seen)).toEqual(new Set(['200 one', '200 two']))
    expect(await envoy.stat('cluster_manager.warming_clusters')).toBe(0)
  })

  test('a listener that it refuses leaves the last good one, and does not keep others back', async () => {
    const good = httpListener('l', 0, 'r', [source])
    change(withResources(resources, httpListener('l', 70_000, 'r', [source]), httpListener('m', 0, 'r')))
    await eventually(
      'the good one of them is active',
      async () => (await envoy.stat('listener_manager.total_listeners_active')) === 2,
    )
    await eventually('it is reported', () => nacks.length > 0)
    expect(nacks).toEqual([
      expect.stringMatching(/^proxy default\/a refused the listener "l" .*must be less than or equal to 65535$/),
    ])
    expect(server.status()[0]?.types.find(({ type }) => type === 'listener')).toMatchObject({
      state: 'rejected',
      rejected: [{ name: 'l' }],
    })
    change(withResources(resources, good))
    await eventually('it is in sync', synced)
    expect(recovered).toEqual(['default/a l'])
    expect(nacks).toHaveLength(1)
  })

  test('many bad ones among many good ones: all the good ones get there', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `c${i}`)
    const isBad = (i: number) => i % 13 === 5
    // A cluster must not wait less than no time for a connection.
    change(
      withResources(
        resources,
        ...names.flatMap((name, i) => [edsCluster(name, isBad(i) ? -1 : 1000), endpoints(name, 9)]),
      ),
    )
    await eventually(
      'the good ones are active',
      async () => (await envoy.configs('dynamic_active_clusters')).length === 1 + 37,
    )
    await eventually('the bad ones are reported', () => nacks.length === 3)
    expect(nacks.map((nack) => /"(\w+)"/.exec(nack)?.[1]).sort()).toEqual(['c18', 'c31', 'c5'])
  })

  test('after a restart of the server, what did not change is not sent again', async () => {
    await server.stop()
    await serve(`127.0.0.1:${port}`)
    await eventually('Envoy has come back with all it asks for', () => server.status()[0]?.types.length === 4)
    change(withResources(resources, endpoints('a', 9, 10, 11)))
    await eventually('what changed arrives', async () => (await envoy.stat('cluster.a.membership_total')) === 3)
    expect(server.totalCounts()).toMatchObject({ responses: 1, resources: 1, removed: 0 })
  })
})

describe('callers', () => {
  let server: AdsServer
  const clients: GrpcClient[] = []

  async function open(options: Partial<AdsServerOptions>, method = 'Delta'): Promise<Call> {
    server = new AdsServer({ authenticate: () => PROXY, resources: () => undefined, ...options })
    const port = await server.listen(ServerCredentials.createInsecure(), '127.0.0.1:0')
    const client = new GrpcClient(`127.0.0.1:${port}`, credentials.createInsecure())
    clients.push(client)
    const path = `/envoy.service.discovery.v3.AggregatedDiscoveryService/${method}AggregatedResources`
    const call = client.makeBidiStreamRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes) => bytes,
    )
    // How a test ends it is no surprise.
    call.on('error', () => undefined)
    return call
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await server.stop()
  })

  type Call = ClientDuplexStream<Buffer, Buffer>
  const request = (typeUrl: string, nodeId = 'n') =>
    Buffer.from(
      toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl, node: { id: nodeId } })),
    )
  const failure = (call: Call) =>
    new Promise<{ code: number; details: string }>((resolve) => call.on('error', (error) => resolve(error as never)))

  test('one that is refused is told why', async () => {
    const call = await open({ authenticate: (_, node) => ({ refused: `"${node?.id}" is no proxy of this mesh` }) })
    call.write(request(TYPE_URLS.cluster, 'x'))
    expect(await failure(call)).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: '"x" is no proxy of this mesh',
    })
    expect(server.status()).toEqual([])
  })

  test('what it says while we find out who it is waits', async () => {
    let known: (proxy: string) => void = () => undefined
    const asked = new Promise<void>((resolve) => {
      known = () => resolve()
    })
    const call = await open({
      authenticate: async () => {
        await asked
        return PROXY
      },
      resources: () => layered(edsCluster('a'), endpoints('a', 1)),
    })
    const urls: string[] = []
    const both = new Promise<void>((resolve) => {
      call.on('data', (bytes: Buffer) => {
        urls.push(fromBinary(DeltaDiscoveryResponseSchema, bytes).typeUrl)
        if (urls.length === 2) resolve()
      })
    })
    call.write(request(TYPE_URLS.cluster))
    call.write(request(TYPE_URLS.listener))
    known(PROXY)
    await both
    expect(urls).toEqual([TYPE_URLS.cluster, TYPE_URLS.listener])
    call.cancel()
  })

  test('a translation that throws is told, and the stream stays', async () => {
    const errors: unknown[] = []
    let resources = (): ProxyResources => {
      throw new Error('a bug')
    }
    const call = await open({
      resources: () => resources(),
      onError: (proxy, error) => errors.push(`${proxy}: ${error}`),
    })
    const answered = new Promise<Buffer>((resolve) => call.on('data', resolve))
    call.write(request(TYPE_URLS.cluster))
    await eventually('it is told', () => errors.length > 0)
    resources = () => layered(edsCluster('a'))
    server.changed()
    expect(fromBinary(DeltaDiscoveryResponseSchema, await answered).resources.map(({ name }) => name)).toEqual(['a'])
    expect(errors).toEqual(['default/a: Error: a bug'])
    call.cancel()
  })

  test('bytes that are no request end the stream, not the server', async () => {
    const call = await open({})
    call.write(Buffer.from([255, 255, 255]))
    expect((await failure(call)).code).toBe(status.INTERNAL)
  })

  test('state-of-the-world is not spoken, and that is said', async () => {
    const call = await open({}, 'Stream')
    expect(await failure(call)).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringContaining('DELTA_GRPC'),
    })
  })

  test('a taken port is an error of listen', async () => {
    await open({})
    const port = Number(/:(\d+)$/.exec(clients[0]?.getChannel().getTarget() ?? '')?.[1])
    const second = new AdsServer({ authenticate: () => PROXY, resources: () => undefined })
    await expect(second.listen(ServerCredentials.createInsecure(), `127.0.0.1:${port}`)).rejects.toThrow('EADDRINUSE')
    await second.stop()
  })
})

/** Says its name to everybody. */
async function upstream(name: string): Promise<Server> {
  const server = createServer((_, response) => response.end(name))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** `STATUS BODY`, or what went wrong. */
async function get(port: number): Promise<string> {
  try {
    const [response] = (await once(httpGet({ host: '127.0.0.1', port, agent: false }), 'response')) as [IncomingMessage]
    let body = ''
    for await (const chunk of response) body += chunk
    return `${response.statusCode} ${body}`
  } catch (error) {
    return String(error)
  }
}
