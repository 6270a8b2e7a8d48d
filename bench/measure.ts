import { type DescMessage, type Message, toBinary } from '@bufbuild/protobuf'
import { ServerCredentials } from '@grpc/grpc-js'
import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { ScopedRouteConfigurationSchema } from '#envoy/config/route/v3/scoped_route'
import type { Resource } from '../src/resources/resource.ts'
import { derivations } from '../src/store/derive.ts'
import type { Snapshot } from '../src/store/snapshot.ts'
import { type EncodedResource, type ProxyResources, RESOURCE_TYPES } from '../src/translate/encoded-resource.ts'
import { proxyResources } from '../src/translate/proxy-resources.ts'
import { AdsServer } from '../src/xds/ads-server.ts'
import { ConnectedProxies } from './connected-proxies.ts'
import { endpointsOf, isRouted, meshOf, newService, proxiesOf, routesOf, unrelated } from './mesh-of.ts'

/** What a mesh costs at first. Times are CPU time of the server's process in milliseconds. */
export interface Start {
  readonly resources: number
  readonly kilobytes: number
  /** Everything for the first proxy. */
  readonly translateMs: number
  /** How much of that is serialization. */
  readonly encodeMs: number
  /** Each further proxy: what it has for itself alone. */
  readonly furtherProxyMs: number
  /** Sending it all to a proxy that connects. */
  readonly connectMs: number
}

/** What one change costs, with all proxies connected. */
export interface Cost {
  readonly derivations: number
  readonly encodings: number
  /** Resources sent, to all proxies together. */
  readonly sent: number
  readonly kilobytes: number
  readonly cpuMs: number
  /** Until the last proxy has taken it. */
  readonly wallMs: number
}

export const CHANGES = ['endpoint', 'route', 'new service', 'unrelated'] as const
export type ChangeKind = (typeof CHANGES)[number]

/** Rounds of each change, of which the median counts. The first few are not counted: the runtime is still compiling. */
const ROUNDS = 9
const WARM_UP_ROUNDS = 4

export interface Measured {
  readonly start: Start
  readonly changes: Readonly<Record<ChangeKind, Cost>>
}

/** Builds a mesh, connects proxies to it, and changes it. */
export async function measure(services: number, proxies: number): Promise<Measured> {
  let snapshot = meshOf(services)
  const keys = proxiesOf(services, proxies)
  const server = new AdsServer({
    authenticate: (_, node) => node?.id.split('~')[2]?.split('.').reverse().join('/') ?? { refused: 'no node' },
    resources: (proxy) => proxyResources(snapshot, proxy),
    onNack: ({ resource, error }) => console.error(`refused ${resource.name}: ${error}`),
    onError: (proxy, error) => console.error(proxy, error),
  })
  const port = await server.listen(ServerCredentials.createInsecure(), '127.0.0.1:0')
  const connected = new ConnectedProxies()
  try {
    const translateMs = cpuOf(() => proxyResources(snapshot, keys[0] as string))
    const resources = all(proxyResources(snapshot, keys[0] as string) ?? {})
    const encodeMs = cpuOf(() => encodeAgain(resources))
    const furtherProxyMs = cpuOf(() => keys.slice(1).map((key) => proxyResources(snapshot, key))) / (proxies - 1)
    const cpu = cpuClock()
    connected.connect({ address: `127.0.0.1:${port}`, proxies: keys })
    await quiet(server, proxies * ASKED_TYPES)
    const start: Start = {
      resources: resources.length,
      kilobytes: resources.reduce((sum, { any }) => sum + any.length, 0) / 1000,
      translateMs,
      encodeMs,
      furtherProxyMs,
      connectMs: cpu() / proxies,
    }
    const change = (puts: readonly Resource[]) => {
      snapshot = snapshot.with(puts.map((put) => ({ put })))
      return costOf(server, snapshot, keys)
    }
    const changes = {} as Record<ChangeKind, Cost>
    for (const kind of CHANGES) {
      const costs: Cost[] = []
      for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
        const cost = await change(changeOf(kind, services, round))
        if (round >= WARM_UP_ROUNDS) costs.push(cost)
      }
      changes[kind] = medianOf(costs)
    }
    return { start, changes }
  } finally {
    await connected.close()
    await server.stop()
  }
}

/** Clusters, endpoints, listeners, scopes and routes. */
const ASKED_TYPES = 5

function changeOf(kind: ChangeKind, services: number, round: number): Resource[] {
  const n = Math.floor(services / 2)
  switch (kind) {
    case 'endpoint':
      return [endpointsOf(n, [true, round % 2 === 0])]
    case 'route': {
      const routed = Array.from({ length: 10 }, (_, i) => n + i).find(isRouted) ?? n
      return [routesOf(routed, 20 + round)]
    }
    case 'new service':
      return newService(services + round)
    case 'unrelated':
      return [unrelated(`${round}`)]
  }
}

async function costOf(server: AdsServer, snapshot: Snapshot, keys: readonly string[]): Promise<Cost> {
  const before = server.totalCounts()
  const idle = await cpuWhile(() => quiet(server))
  derivations.clear()
  const begin = performance.now()
  let end = begin
  const busy = await cpuWhile(() => {
    server.changed()
    return quiet(server).then((time) => {
      end = time
    })
  })
  // Waiting costs, too.
  const cpuMs = Math.max(0, busy.cpuMs - (idle.cpuMs / idle.wallMs) * busy.wallMs)
  const after = server.totalCounts()
  if (!proxyResources(snapshot, keys[0] as string)) throw new Error('the change took a proxy away')
  let encodings = 0
  let total = 0
  for (const [name, count] of derivations) {
    total += count
    if (name.startsWith('encode/')) encodings += count
  }
  return {
    derivations: total,
    encodings,
    sent: after.resources - before.resources,
    kilobytes: (after.bytes - before.bytes) / 1000,
    cpuMs,
    wallMs: Math.max(0, end - begin),
  }
}

/** Waits until every response was answered, at least so many, and no more come. Gives the time of the last answer. */
async function quiet(server: AdsServer, atLeast = 0): Promise<number> {
  let last = server.totalCounts()
  let since = performance.now()
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    const now = performance.now()
    const counts = server.totalCounts()
    if (counts.responses !== last.responses || counts.acks !== last.acks) since = now
    last = counts
    // What a new cluster makes proxies ask for takes a moment to come.
    if (counts.acks + counts.nacks === counts.responses && counts.acks >= atLeast && now - since > 30) return since
  }
}

function cpuClock(): () => number {
  const begin = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(begin)
    return (user + system) / 1000
  }
}

async function cpuWhile(task: () => Promise<unknown>): Promise<{ cpuMs: number; wallMs: number }> {
  const cpu = cpuClock()
  const begin = performance.now()
  await task()
  return { cpuMs: cpu(), wallMs: performance.now() - begin }
}

function cpuOf(task: () => void): number {
  const cpu = cpuClock()
  task()
  return cpu()
}

function all(resources: ProxyResources): readonly EncodedResource[] {
  return RESOURCE_TYPES.flatMap((type) => (resources[type] ?? []).flatMap((layer) => [...layer.values()]))
}

const SCHEMAS: Readonly<Record<string, DescMessage>> = Object.fromEntries(
  [
    ClusterSchema,
    ClusterLoadAssignmentSchema,
    ListenerSchema,
    ScopedRouteConfigurationSchema,
    RouteConfigurationSchema,
  ].map((schema) => [schema.typeName, schema]),
)

/** Serializes what was serialized before, to see what that takes. */
function encodeAgain(resources: readonly EncodedResource[]): void {
  for (const { message } of resources) {
    const schema = SCHEMAS[(message as Message).$typeName]
    if (schema) toBinary(schema, message as Message)
  }
}

function medianOf(costs: readonly Cost[]): Cost {
  const median = (of: (cost: Cost) => number) => costs.map(of).sort((a, b) => a - b)[Math.floor(costs.length / 2)] ?? 0
  return {
    derivations: median((cost) => cost.derivations),
    encodings: median((cost) => cost.encodings),
    sent: median((cost) => cost.sent),
    kilobytes: median((cost) => cost.kilobytes),
    cpuMs: median((cost) => cost.cpuMs),
    wallMs: median((cost) => cost.wallMs),
  }
}
