import type { KindId } from '../src/resources/kinds.ts'
import { KIND, type Resource } from '../src/resources/resource.ts'
import { Snapshot } from '../src/store/snapshot.ts'

/** How many pods serve each service. */
const REPLICAS = 2

/**
 * A mesh of any size as the Kubernetes objects that would make it: each service with its EndpointSlice and its pods, all with a sidecar, spread over a
 * namespace for every 20 services; every tenth service has two subsets and routes between them. The same numbers give the same objects.
 */
export function meshOf(services: number): Snapshot {
  const resources: Resource[] = []
  for (let n = 0; n < services; n++) {
    resources.push(...newService(n))
    for (let replica = 0; replica < REPLICAS; replica++) resources.push(podOf(n, replica))
    if (isRouted(n)) resources.push(subsetsOf(n), routesOf(n, 10))
  }
  return Snapshot.of(resources)
}

/** `namespace/pod` of so many pods, of as many services as there are before any has two. */
export function proxiesOf(services: number, proxies: number): string[] {
  if (proxies > services * REPLICAS) throw new Error(`${services} services have ${services * REPLICAS} pods only`)
  return Array.from({ length: proxies }, (_, i) => {
    const n = i % services
    return `${namespaceOf(n)}/s${n}-${Math.floor(i / services)}`
  })
}

/** Whether a service has a VirtualService and a DestinationRule of its own. */
export function isRouted(n: number): boolean {
  return n % 10 === 3
}

/** A service without pods, and where it is served. */
export function newService(n: number): Resource[] {
  return [serviceOf(n), endpointsOf(n)]
}

function serviceOf(n: number): Resource {
  return object('core/Service', n, {
    apiVersion: 'v1',
    spec: {
      clusterIP: `10.${96 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
      selector: { app: `s${n}` },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  })
}

/** Its replicas; `ready` says of each whether it is, all by default. */
export function endpointsOf(n: number, ready: readonly boolean[] = Array(REPLICAS).fill(true)): Resource {
  return object('discovery.k8s.io/EndpointSlice', n, {
    apiVersion: 'discovery.k8s.io/v1',
    metadata: { labels: { 'kubernetes.io/service-name': `s${n}` } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: ready.map((isReady, replica) => ({
      addresses: [addressOf(n, replica)],
      conditions: { ready: isReady, serving: isReady, terminating: false },
      targetRef: { kind: 'Pod', name: `s${n}-${replica}`, namespace: namespaceOf(n) },
    })),
  })
}

/** `weight` percent of its requests go to its second version. */
export function routesOf(n: number, weight: number): Resource {
  const route = [100 - weight, weight].map((share, version) => ({
    destination: { host: `s${n}`, subset: `v${version}` },
    weight: share,
  }))
  return object('networking.istio.io/VirtualService', n, {
    apiVersion: 'networking.istio.io/v1',
    spec: { hosts: [`s${n}`], http: [{ route }] },
  })
}

function subsetsOf(n: number): Resource {
  return object('networking.istio.io/DestinationRule', n, {
    apiVersion: 'networking.istio.io/v1',
    spec: {
      host: `s${n}`,
      subsets: [0, 1].map((version) => ({ name: `v${version}`, labels: { version: `v${version}` } })),
    },
  })
}

/** Something that no proxy is configured from. */
export function unrelated(value: string): Resource {
  return object('core/ConfigMap', 0, { apiVersion: 'v1', data: { value } })
}

function podOf(n: number, replica: number): Resource {
  return object('core/Pod', n, {
    apiVersion: 'v1',
    metadata: {
      name: `s${n}-${replica}`,
      labels: { app: `s${n}`, version: `v${replica % 2}`, 'security.istio.io/tlsMode': 'istio' },
      annotations: { 'weft.dev/app-address': '127.0.0.2', 'weft.dev/http-proxy-port': '15001' },
    },
    spec: { serviceAccountName: `s${n}`, containers: [{ name: 'app', ports: [{ containerPort: 8080 }] }] },
    status: { phase: 'Running', podIP: addressOf(n, replica) },
  })
}

const namespaceOf = (n: number) => `ns${Math.floor(n / 20)}`

const addressOf = (n: number, replica: number) => `10.${replica}.${(n >> 8) & 255}.${n & 255}`

interface Rest {
  readonly apiVersion: string
  readonly metadata?: object
  readonly [field: string]: unknown
}

function object(kind: KindId, n: number, rest: Rest): Resource {
  const metadata = { name: `s${n}`, namespace: namespaceOf(n), ...rest.metadata }
  return { ...rest, metadata, kind: kind.slice(kind.indexOf('/') + 1), [KIND]: kind }
}
