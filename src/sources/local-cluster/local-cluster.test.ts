import { beforeEach, describe, expect, test } from 'vitest'
import type { EndpointSlice, Pod, Service } from '../../resources/core.ts'
import { parseYaml } from '../../resources/parse.ts'
import { displayName, type Resource } from '../../resources/resource.ts'
import { Snapshot } from '../../store/snapshot.ts'
import { type ClusterMemory, type ClusterSettings, type LocalCluster, localCluster, noMemory } from './local-cluster.ts'
import type { PodStatus } from './pod-plan.ts'

const images = new Map([
  [
    'docker.io/library/app',
    { command: ['node', 'app.js'], folder: '/programs', env: { FROM_MAP: 'map', BOTH: 'map' } },
  ],
])

interface Told {
  object: string
  path: string
  rule: string
  problem: string
}

/** A cluster that is told of new YAML, and of what runs, again and again. */
class Cluster {
  memory: ClusterMemory = noMemory
  told: Told[] = []
  statuses: PodStatus[] | undefined = []
  last: LocalCluster | undefined
  settings: ClusterSettings = { block: 64, images }

  apply(yaml: string): LocalCluster {
    const { resources, messages } = parseYaml(yaml, 'test.yaml')
    expect(messages.filter(({ severity }) => severity === 'error')).toEqual([])
    this.told = []
    const tell = (object: Resource, path: readonly (string | number)[], { rule, problem }: Told) =>
      this.told.push({ object: displayName(object), path: path.join('.'), rule, problem })
    const last = localCluster(
      Snapshot.of(resources),
      this.memory,
      this.statuses,
      this.settings,
      '2026-01-01T00:00:00Z',
      tell as never,
    )
    this.memory = last.memory
    this.last = last
    return last
  }

  /** All pods that should run do, and are ready as `ready` says. */
  run(ready: (name: string) => boolean = () => true): void {
    const running = (this.last?.pods ?? []).filter(({ terminating }) => !terminating)
    this.statuses = running.map(({ key, uid, name }) => ({ key, uid, ready: ready(name), restarts: 0 }))
  }

  /** The pods by name; those on their way out in brackets. */
  get pods(): string[] {
    return (this.last?.pods ?? []).map(({ name, terminating }) => (terminating ? `(${name})` : name))
  }
}

function objects<T>(cluster: LocalCluster, kind: string): T[] {
  return cluster.resources.filter((object) => object.kind === kind) as T[]
}

function deployment({ name = 'app', replicas = 1, version = 'v1', container = '' } = {}): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name}, version: ${version} } }
    spec:
      serviceAccountName: ${name}-account
      containers:
        - { name: main, image: 'app:1', ports: [{ name: web, containerPort: 8080 }] ${container} }
---
`
}

const service = `
apiVersion: v1
kind: Service
metadata: { name: app }
spec:
  selector: { app: app }
  ports:
    - { name: http, port: 80, targetPort: web }
    - { name: tcp-raw, port: 9000 }
---
`

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})

describe('pods', () => {
  test('a Deployment has its replicas, each with addresses of its own', () => {
    const made = cluster.apply(deployment({ replicas: 2 }))
    expect(made.pods).toMatchObject([
      {
        key: 'default/app-0',
        address: '127.64.1.1',
        appAddress: '127.64.129.1',
        role: 'sidecar',
        serviceAccount: 'app-account',
      },
      { key: 'default/app-1', address: '127.64.1.2', appAddress: '127.64.129.2' },
    ])
    expect(made.pods[0]?.containers).toMatchObject([
      { command: ['node', 'app.js'], folder: '/programs', ports: [{ name: 'web', port: 8080 }] },
    ])
    const [pod] = objects<Pod>(made, 'Pod')
    expect(pod).toMatchObject({
      metadata: {
        labels: { app: 'app', version: 'v1', 'security.istio.io/tlsMode': 'istio' },
        annotations: { 'weft.dev/app-address': '127.64.129.1', 'weft.dev/http-proxy-port': '15001' },
      },
      spec: { nodeName: 'laptop', serviceAccountName: 'app-account' },
      status: { phase: 'Running', podIP: '127.64.1.1', conditions: [{ type: 'Ready', status: 'False' }] },
    })
  })

  test('scaling keeps those that are there', () => {
    cluster.apply(deployment({ replicas: 2 }))
    cluster.run()
    cluster.apply(deployment({ replicas: 3 }))
    expect(cluster.pods).toEqual(['app-0', 'app-1', 'app-2'])
    cluster.run()
    cluster.apply(deployment({ replicas: 1 }))
    expect(cluster.pods).toEqual(['app-0', '(app-1)', '(app-2)'])
    cluster.run() // and the two that were terminating have ended
    cluster.apply(deployment({ replicas: 1 }))
    expect(cluster.pods).toEqual(['app-0'])
  })

  test('another template replaces pods, the old one going when the new one is ready', () => {
    cluster.apply(deployment())
    cluster.run()
    cluster.apply(deployment({ version: 'v2' }))
    expect(cluster.pods).toEqual(['app-0', 'app-1'])
    cluster.run((name) => name === 'app-0')
    cluster.apply(deployment({ version: 'v2' }))
    expect(cluster.pods).toEqual(['app-0', 'app-1'])
    cluster.run()
    cluster.apply(deployment({ version: 'v2' }))
    expect(cluster.pods).toEqual(['(app-0)', 'app-1'])
  })

  test('a few at a time, as long as old ones serve', () => {
    const next = () => {
      cluster.apply(deployment({ version: 'v2', replicas: 3 }))
      cluster.run()
      return cluster.pods
    }
    cluster.apply(deployment({ replicas: 3 }))
    cluster.run()
    expect(next()).toEqual(['app-0', 'app-1', 'app-2', 'app-3'])
    // One has come, so one goes, and the next comes.
    expect(next()).toEqual(['app-0', 'app-1', '(app-2)', 'app-3', 'app-4'])
    expect(next()).toEqual(['app-0', '(app-1)', 'app-2', 'app-3', 'app-4'])
    expect(next()).toEqual(['(app-0)', 'app-2', 'app-3', 'app-4'])
    expect(next()).toEqual(['app-2', 'app-3', 'app-4'])
  })

  test('an old pod that is not ready makes way at once', () => {
    cluster.apply(deployment())
    cluster.run(() => false)
    cluster.apply(deployment({ version: 'v2' }))
    expect(cluster.pods).toEqual(['(app-0)', 'app-1'])
  })

  test('a removed Deployment takes its pods along; what never ran is gone at once', () => {
    cluster.apply(deployment() + deployment({ name: 'other' }))
    cluster.run()
    cluster.apply(deployment({ name: 'other' }) + deployment({ name: 'third' }))
    expect(cluster.pods).toEqual(['(app-0)', 'other-0', 'third-0'])
    cluster.apply(deployment({ name: 'other' }))
    expect(cluster.pods).toEqual(['(app-0)', 'other-0'])
  })

  test('an image that nothing stands in for is told, and keeps its pods pending; others run', () => {
    const made = cluster.apply(deployment() + deployment({ name: 'redis' }).replace('app:1', 'redis:7'))
    expect(cluster.told).toEqual([
      {
        object: 'Deployment default/redis',
        path: 'spec.template.spec.containers.0.image',
        rule: 'no-program-for-image',
        problem: 'no local program stands in for the image redis:7, so its pods stay pending',
      },
    ])
    expect(cluster.pods).toEqual(['app-0'])
    const pending = objects<Pod>(made, 'Pod').find(({ metadata }) => metadata.name === 'redis-0')
    expect(pending?.status).toMatchObject({ phase: 'Pending' })
    expect(pending?.status?.podIP).toBeUndefined()
  })

  test('a mistake in the image leaves alone what runs', () => {
    cluster.apply(deployment())
    cluster.run()
    cluster.apply(deployment().replace('app:1', 'oops:1'))
    expect(cluster.pods).toEqual(['app-0'])
    expect(cluster.told).toMatchObject([{ rule: 'no-program-for-image' }])
  })

  test('a selector that does not match the template is told', () => {
    cluster.apply(deployment().replace('matchLabels: { app: app }', 'matchLabels: { app: else }'))
    expect(cluster.told).toMatchObject([{ path: 'spec.selector', rule: 'selector-not-in-template' }])
    expect(cluster.pods).toEqual([])
  })

  test('what a kubelet would act upon and nobody does here is told; the rest runs', () => {
    const more = `, command: [sh], livenessProbe: { tcpSocket: { port: web } }, lifecycle: { preStop: { sleep: { seconds: 1 } } }, readinessProbe: { exec: { command: [true] } }`
    const volumes =
      '      volumes: [{ name: tmp, emptyDir: {} }, { name: settings, configMap: { name: settings } }]\n---'
    cluster.apply(deployment({ container: more.replace('[true]', '["true"]') }).replace('---', volumes))
    const spec = 'spec.template.spec'
    expect(cluster.told.map(({ path, rule }) => `${rule} ${path}`)).toEqual([
      `not-on-a-laptop ${spec}.containers.0.command`,
      `not-on-a-laptop ${spec}.containers.0.livenessProbe`,
      `not-on-a-laptop ${spec}.containers.0.lifecycle`,
      `not-on-a-laptop ${spec}.containers.0.readinessProbe.exec`,
      `not-on-a-laptop ${spec}.volumes.1.configMap`,
    ])
    expect(cluster.told.at(-1)?.problem).toContain('the files of "settings" are not there')
    expect(cluster.pods).toEqual(['app-0'])
  })

  test('a written Pod runs under its own name', () => {
    const pod = `
apiVersion: v1
kind: Pod
metadata: { name: alone, labels: { app: app } }
spec: { containers: [{ name: main, image: app }] }
`
    cluster.apply(pod)
    expect(cluster.pods).toEqual(['alone'])
    cluster.run()
    cluster.apply(pod.replace('app: app', 'app: else'))
    expect(cluster.pods).toEqual(['(alone)'])
  })
})

describe('environment', () => {
  test('is that of the image map, then the container, with values of the pod and of ConfigMaps and Secrets', () => {
    const env = `
      - { name: BOTH, value: own }
      - { name: JOINED, value: 'at $(POD):$(BOTH) $$(POD) $(NOPE)' }
      - { name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
      - { name: AGAIN, value: '$(POD)' }
      - { name: LABEL, valueFrom: { fieldRef: { fieldPath: "metadata.labels['version']" } } }
      - { name: KEY, valueFrom: { configMapKeyRef: { name: settings, key: one } } }
      - { name: SECRET, valueFrom: { secretKeyRef: { name: hidden, key: word } } }
      - { name: MAYBE, valueFrom: { secretKeyRef: { name: nope, key: word, optional: true } } }
      - { name: LACKING, valueFrom: { configMapKeyRef: { name: settings, key: two } } }`
    const made = cluster.apply(`
${deployment().replace(
  "image: 'app:1',",
  `image: 'app:1', envFrom: [{ prefix: P_, configMapRef: { name: settings } }], env: [${env
    .trim()
    .replace(/^- /, '')
    .split(/\n\s+- /)
    .join(', ')}],`,
)}
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { one: "1" }
---
apiVersion: v1
kind: Secret
metadata: { name: hidden }
data: { word: ${Buffer.from('sesame').toString('base64')} }
`)
    expect(made.pods[0]?.containers[0]?.env).toEqual({
      FROM_MAP: 'map',
      BOTH: 'own',
      JOINED: 'at $(POD):own $(POD) $(NOPE)',
      POD: 'app-0',
      AGAIN: 'app-0',
      LABEL: 'v1',
      KEY: '1',
      P_one: '1',
      SECRET: 'sesame',
    })
    expect(cluster.told).toMatchObject([
      { rule: 'environment-not-given', problem: 'there is no key two in ConfigMap settings in this namespace' },
    ])
  })

  test('names Services so that they can be called from a local pod', () => {
    const [pod] = cluster.apply(service + deployment()).pods
    expect(pod?.serviceEnv).toMatchObject({
      APP_SERVICE_HOST: 'app',
      APP_SERVICE_PORT: '80',
      APP_SERVICE_PORT_HTTP: '80',
      APP_PORT_9000_TCP: 'tcp://127.64.1.1:20000',
      APP_PORT_9000_TCP_ADDR: '127.64.1.1',
      APP_PORT_9000_TCP_PORT: '20000',
      APP_SERVICE_PORT_TCP_RAW: '20000',
    })
  })
})

describe('services', () => {
  test('get an address, target ports, and a local port for what is not HTTP', () => {
    const [made] = objects<Service>(cluster.apply(service), 'Service')
    expect(made).toMatchObject({
      metadata: { annotations: { 'weft.dev/local-port.9000': '20000' } },
      spec: {
        clusterIP: '10.96.0.1',
        ports: [
          { port: 80, targetPort: 'web' },
          { port: 9000, targetPort: 9000 },
        ],
      },
    })
  })

  test('a headless one keeps its lack of an address', () => {
    const [made] = objects<Service>(cluster.apply(service.replace('spec:', 'spec:\n  clusterIP: None')), 'Service')
    expect(made?.spec?.clusterIP).toBe('None')
  })

  test('have the pods that they select as endpoints, ready when these are, serving until they have gone', () => {
    cluster.apply(service + deployment({ replicas: 2 }))
    cluster.run((name) => name === 'app-0')
    const conditions = (made: LocalCluster) =>
      objects<EndpointSlice>(made, 'EndpointSlice').flatMap(({ endpoints = [] }) =>
        endpoints.map(({ addresses, conditions }) => [addresses[0], conditions?.ready, conditions?.terminating]),
      )
    const running = cluster.apply(service + deployment({ replicas: 2 }))
    expect(objects<EndpointSlice>(running, 'EndpointSlice')).toMatchObject([
      {
        metadata: { labels: { 'kubernetes.io/service-name': 'app' } },
        ports: [
          { name: 'http', port: 8080 },
          { name: 'tcp-raw', port: 9000 },
        ],
      },
    ])
    expect(conditions(running)).toEqual([
      ['127.64.1.1', true, false],
      ['127.64.1.2', false, false],
    ])
    cluster.run()
    expect(conditions(cluster.apply(service + deployment({ replicas: 1 })))).toEqual([
      ['127.64.1.1', true, false],
      ['127.64.1.2', false, true],
    ])
  })
})

describe('gateways', () => {
  const istioGateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: in }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 8080, name: http, protocol: HTTP }, hosts: ['*'] }
---
`
  test("Istio's ingress gateway is there when a Gateway selects it", () => {
    const made = cluster.apply(istioGateway)
    expect(made.pods).toMatchObject([
      { key: 'istio-system/istio-ingressgateway-0', role: 'gateway', containers: [], listens: [8080] },
    ])
    expect(objects<Service>(made, 'Service')).toMatchObject([
      {
        metadata: { name: 'istio-ingressgateway', namespace: 'istio-system' },
        spec: { ports: [{ name: 'http-8080', port: 8080 }] },
      },
    ])
  })

  test('listens at higher ports for a user who may not have the low ones', () => {
    const low = istioGateway.replace('number: 8080', 'number: 80')
    cluster.settings = { ...cluster.settings, lowestPort: 1024 }
    const made = cluster.apply(low)
    expect(made.pods).toMatchObject([{ listens: [8080] }])
    expect(objects<Service>(made, 'Service')).toMatchObject([{ spec: { ports: [{ port: 80, targetPort: 8080 }] } }])
    const both = `${low}${istioGateway.replace('name: in', 'name: other')}`
    expect(cluster.apply(both).pods).toMatchObject([{ listens: [8080, 18080] }])
  })

  test('and not when somebody wrote one', () => {
    const written = deployment({ name: 'own' })
      .replace(
        'labels: { app: own,',
        'annotations: { inject.istio.io/templates: gateway }, labels: { app: own, istio: ingressgateway,',
      )
      .replace('app:1', 'auto')
    const made = cluster.apply(istioGateway + written)
    expect(made.pods).toMatchObject([{ key: 'default/own-0', role: 'gateway', containers: [] }])
    expect(cluster.told).toEqual([])
  })

  test('a Gateway of the Gateway API gets a pod and a Service of its own, for classes of ours', () => {
    const api = (className: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: ${className}
  listeners: [{ name: http, port: 80, protocol: HTTP }]
`
    const made = cluster.apply(api('istio'))
    expect(made.pods).toMatchObject([{ key: 'default/front-istio-0', role: 'gateway', listens: [80] }])
    expect(made.pods[0]?.labels).toMatchObject({ 'gateway.networking.k8s.io/gateway-name': 'front' })
    expect(cluster.apply(api('nginx')).pods.filter(({ terminating }) => !terminating)).toEqual([])
  })
})

describe('a pod without a proxy', () => {
  const service = `
apiVersion: v1
kind: Service
metadata: { name: app }
spec: { selector: { app: app }, ports: [{ name: http, port: 80, targetPort: web }, { name: tcp, port: 7000 }] }
---
`
  const namespace = (labels: string) =>
    `{ apiVersion: v1, kind: Namespace, metadata: { name: default, labels: { ${labels} } } }\n---\n`
  const told = (label: string) => deployment().replace('version: v1', `version: v1, ${label}`)

  test.each([
    ['none', told('sidecar.istio.io/inject: "false"')],
    ['none', told('weft.dev/inject: "no"')],
    ['none', namespace('istio-injection: disabled') + deployment()],
    ['none', namespace('istio-injection: disabled') + told('sidecar.istio.io/inject: "true"')],
    ['sidecar', namespace('istio-injection: enabled') + deployment()],
    ['sidecar', told('sidecar.istio.io/inject: "true"')],
  ])('%s is what it asks for', (role, yaml) => {
    expect(cluster.apply(yaml).pods).toMatchObject([{ role }])
  })

  test('looks like any pod that no mesh knows of, and gets to ready pods of Services by itself', () => {
    const yaml = service + told('sidecar.istio.io/inject: "false"') + deployment({ name: 'other' })
    cluster.apply(yaml)
    cluster.run()
    const made = cluster.apply(yaml)
    const [pod] = objects<Pod>(made, 'Pod')
    expect(pod?.metadata.labels).not.toHaveProperty('security.istio.io/tlsMode')
    expect(pod?.metadata.annotations).toEqual({})
    const [app, other] = made.pods
    const hosts = ['app', 'app.default', 'app.default.svc', 'app.default.svc.cluster.local', '10.96.0.1']
    expect(app?.reaches).toEqual([
      { hosts, port: 80, endpoints: [`${app?.address}:8080`] },
      { hosts, port: 7000, localPort: 20_000, endpoints: [`${app?.address}:7000`] },
    ])
    expect(app?.serviceEnv['APP_PORT_7000_TCP_ADDR']).toBe(app?.appAddress)
    expect(other?.reaches).toEqual([])
    cluster.run(() => false)
    expect(cluster.apply(yaml).pods[0]?.reaches.map(({ endpoints }) => endpoints)).toEqual([[], []])
  })
})

test('everything is ready, and the same each time, when nothing runs it', () => {
  const yaml = service + deployment({ replicas: 2 })
  const offline = () => {
    const fresh = new Cluster()
    fresh.statuses = undefined
    return fresh.apply(yaml)
  }
  expect(offline()).toEqual(offline())
  const [slice] = objects<EndpointSlice>(offline(), 'EndpointSlice')
  expect(slice?.endpoints?.map(({ conditions }) => conditions?.ready)).toEqual([true, true])
})

test('nothing changes when nothing did', () => {
  cluster.apply(service + deployment({ replicas: 2 }))
  cluster.run()
  cluster.apply(service + deployment({ replicas: 2 }))
  const { memory } = cluster
  cluster.apply(service + deployment({ replicas: 2 }))
  expect(cluster.memory).toBe(memory)
})
