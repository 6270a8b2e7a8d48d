import { describe, expect, test } from 'vitest'
import { workloadsOf } from '../estate/estate.ts'
import { estateOfYaml } from '../estate/estate-of-yaml.ts'
import { precheckWorkloads, REQUIREMENTS } from './precheck.ts'

interface Pod {
  readonly container?: object
  readonly pod?: object
  readonly labels?: object
  readonly annotations?: object
  readonly ports?: readonly object[]
  /** Further Services on the same pods. */
  readonly services?: readonly (readonly object[])[]
  readonly kind?: string
}

/** What is said of a workload that is right but for what is given, as `requirement severity`. */
function check({
  container = {},
  pod = {},
  labels = {},
  annotations = {},
  ports = [{ name: 'http', port: 80, targetPort: 8080 }],
  services = [],
  kind = 'Deployment',
}: Pod) {
  const template = {
    metadata: { labels: { app: 'cart', version: 'v1', ...labels }, annotations },
    spec: {
      serviceAccountName: 'cart',
      ...pod,
      containers: [
        {
          name: 'cart',
          image: 'cart:1',
          ports: [{ name: 'web', containerPort: 8080 }],
          readinessProbe: { httpGet: { port: 'web' } },
          ...container,
        },
      ],
    },
  }
  const objects = [
    {
      apiVersion: 'apps/v1',
      kind,
      metadata: { name: 'cart', namespace: 'shop' },
      spec: { selector: { matchLabels: { app: 'cart' } }, template },
    },
    ...[ports, ...services].map((each, i) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `cart${i || ''}`, namespace: 'shop' },
      spec: { selector: { app: 'cart' }, ports: each },
    })),
  ]
  const estate = estateOfYaml(objects.map((each) => JSON.stringify(each)).join('\n---\n'))
  const checked = precheckWorkloads(workloadsOf(estate), estate)
  expect(checked.map(({ requirement }) => requirement.id)).toEqual(REQUIREMENTS.map(({ id }) => id))
  return checked.flatMap(({ requirement, found }) => found.map((each) => ({ id: requirement.id, ...each })))
}

test('nothing is said of what is right', () => {
  expect(check({})).toEqual([])
})

/** For each requirement: what breaks it, how gravely, and what is said. */
const BROKEN: readonly (readonly [string, Pod, 'error' | 'warning' | 'info', RegExp])[] = [
  ['in-a-service', { ports: [], labels: { app: 'other' } }, 'warning', /no Service selects/],
  ['named-ports', { ports: [{ port: 80, targetPort: 8080 }] }, 'warning', /port 80 of Service shop\/cart does not say/],
  ['named-ports', { ports: [{ name: 'web', port: 80, targetPort: 8080 }] }, 'warning', /port 80 \("web"\)/],
  [
    'one-protocol',
    { services: [[{ name: 'grpc', port: 90, targetPort: 8080 }]] },
    'error',
    /says http, and Service shop\/cart1 says grpc/,
  ],
  [
    'reached-ports',
    { ports: [{ name: 'http', port: 80, targetPort: 'wbe' }] },
    'error',
    /called "wbe", which no container has/,
  ],
  ['free-ports', { container: { ports: [{ name: 'web', containerPort: 15001 }] } }, 'error', /listens on 15001/],
  [
    'host-ports',
    { container: { ports: [{ name: 'web', containerPort: 8080, hostPort: 8080 }] } },
    'warning',
    /port 8080 of its node/,
  ],
  [
    'server-first',
    { container: { image: 'mysql:8' }, ports: [{ name: 'db', port: 3306 }] },
    'error',
    /MySQL at port 3306.*speaks first/,
  ],
  ['udp', { ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }, 'info', /is UDP/],
  ['own-tls', { ports: [{ name: 'https', port: 443, targetPort: 8080 }] }, 'info', /TLS of the application's own/],
  [
    'own-tls',
    { ports: [{ name: 'http', port: 8443, targetPort: 8080 }] },
    'warning',
    /looks like TLS, and is declared to be http/,
  ],
  ['user', { container: { securityContext: { runAsUser: 1337 } } }, 'error', /runs as user 1337/],
  ['user', { pod: { securityContext: { runAsGroup: 1337 } } }, 'error', /runs as group 1337/],
  [
    'user',
    { pod: { initContainers: [{ name: 'prepare', securityContext: { runAsUser: 1337 } }] } },
    'error',
    /"prepare"/,
  ],
  ['own-network', { pod: { hostNetwork: true } }, 'error', /hostNetwork/],
  ['labels', { labels: { version: undefined } }, 'info', /no label version/],
  ['identity', { pod: { serviceAccountName: undefined } }, 'warning', /"default"/],
  ['not-opted-out', { labels: { 'sidecar.istio.io/inject': 'false' } }, 'error', /sidecar.istio.io\/inject: "false"/],
  ['not-opted-out', { annotations: { 'sidecar.istio.io/inject': 'false' } }, 'error', /they get no proxy/],
  [
    'one-proxy',
    { pod: { initContainers: [{ name: 'linkerd-proxy', restartPolicy: 'Always' }] } },
    'error',
    /"linkerd-proxy" is a proxy already/,
  ],
  ['probes', { container: { readinessProbe: undefined } }, 'warning', /no readinessProbe/],
  [
    'probes',
    { container: { livenessProbe: { httpGet: { port: 'nope' } } } },
    'error',
    /livenessProbe of container "cart" asks a port called "nope"/,
  ],
  [
    'probes',
    { container: { readinessProbe: { httpGet: { port: 8080, host: '10.0.0.1' } } } },
    'warning',
    /asks 10.0.0.1 rather than the pod/,
  ],
  [
    'init-containers',
    { pod: { initContainers: [{ name: 'wait', command: ['sh', '-c', 'curl http://stock/ready'] }] } },
    'info',
    /"wait" calls others/,
  ],
  [
    'init-containers',
    { pod: { initContainers: [{ name: 'net', securityContext: { capabilities: { add: ['NET_ADMIN'] } } }] } },
    'warning',
    /may change the rules/,
  ],
  [
    'start-and-end',
    { container: { command: ['sh', '-c', 'until curl -s localhost:15021/healthz/ready; do sleep 1; done; ./run'] } },
    'info',
    /waits for the proxy by itself/,
  ],
  [
    'start-and-end',
    { container: { command: ['sh', '-c', './job; curl -X POST localhost:15020/quitquitquit'] } },
    'info',
    /quitquitquit/,
  ],
  ['start-and-end', { pod: { terminationGracePeriodSeconds: 2 } }, 'warning', /2 s to end/],
  [
    'calls-by-name',
    { container: { env: [{ name: 'STOCK', value: 'http://10.1.2.3:8080' }] } },
    'info',
    /address 10.1.2.3 \(STOCK\)/,
  ],
  [
    'calls-by-name',
    { container: { env: [{ name: 'BIND_ADDRESS', value: '127.0.0.1:8080' }] } },
    'warning',
    /listen at 127.0.0.1:8080 only/,
  ],
]

describe('what breaks a requirement is told, and only that', () => {
  test.each(
    BROKEN.map(([id, pod, severity, problem], i) => [`${i} ${id} ${problem}`, id, pod, severity, problem] as const),
  )('%s', (_, id, pod, severity, problem) => {
    const found = check(pod)
    const own = found.filter((each) => each.id === id && problem.test(each.problem))
    expect(own).toHaveLength(1)
    expect(own[0]).toMatchObject({ severity, remedy: expect.stringMatching(/^[a-z].*[^.]$/) })
    expect(found.filter((each) => each.severity === 'error' && each.id !== id)).toEqual([])
  })

  test('every requirement is broken by one of these', () => {
    expect(new Set(BROKEN.map(([id]) => id))).toEqual(new Set(REQUIREMENTS.map(({ id }) => id)))
  })
})

test('a CronJob needs no Service', () => {
  const estate = estateOfYaml(
    JSON.stringify({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'nightly', namespace: 'shop' },
      spec: {
        jobTemplate: {
          spec: {
            template: {
              metadata: { labels: { app: 'nightly', version: 'v1' } },
              spec: { serviceAccountName: 'nightly', containers: [{ name: 'main', image: 'nightly:1' }] },
            },
          },
        },
      },
    }),
  )
  expect(precheckWorkloads(workloadsOf(estate), estate).flatMap(({ found }) => found)).toEqual([])
})
