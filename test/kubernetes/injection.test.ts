import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { parseYaml } from '../../src/resources/parse.ts'
import { ShownFields } from '../translate/shown-fields.ts'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { type Echoed, echo, gateway, STRICT } from './echo-pods.ts'

const CONTAINER = `image: docker.io/weft/echo:${packageJson.version}, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] }, runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }`

/** Calls once, at once. Nothing comes of it where the mesh isn't there yet. */
const CALL = `fetch('http://server/').then((r) => process.exit(r.ok ? 0 : 1), (e) => { console.log(e.cause); process.exit(1) })`

const JOB = `
apiVersion: batch/v1
kind: Job
metadata: { name: report }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      initContainers: [{ name: prepare, ${CONTAINER}, command: [node, -e, "${CALL}"] }]
      containers: [{ name: report, ${CONTAINER}, command: [node, -e, "${CALL}"] }]
`

/** As a server of gRPC says it, in the messages of grpc.health.v1. */
const SERVING = `const s = require('http2').createServer(); s.on('stream', (c) => { c.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true }); c.on('wantTrailers', () => c.sendTrailers({ 'grpc-status': '0' })); c.end(Buffer.from([0, 0, 0, 0, 2, 8, 1])) }); s.listen(7000)`

const PROBED = `
apiVersion: v1
kind: Pod
metadata: { name: probed, labels: { app: probed } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - { name: open, ${CONTAINER}, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }
    - { name: closed, ${CONTAINER}, command: [node, -e, "setInterval(() => {}, 1000)"], readinessProbe: { tcpSocket: { port: 9999 }, periodSeconds: 1 } }
    - { name: grpc, ${CONTAINER}, command: [node, -e, "${SERVING}"], readinessProbe: { grpc: { port: 7000 }, periodSeconds: 1 } }
    - { name: http, ${CONTAINER}, command: [node, -e, "setInterval(() => {}, 1000)"], readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 } }
    - { name: exec, ${CONTAINER}, command: [node, -e, "setInterval(() => {}, 1000)"], readinessProbe: { exec: { command: [node, -e, "${CALL}"] }, periodSeconds: 5, timeoutSeconds: 5 } }
`

/** Asks as a gRPC library does, by the bootstrap that it finds, for the listener `server:80`, and tells what comes. */
const ASK_XDS = `
const { xds_servers: [{ server_uri }], node } = JSON.parse(process.env.GRPC_XDS_BOOTSTRAP_CONFIG)
const field = (number, bytes) => { const b = Buffer.from(bytes); const length = b.length < 128 ? [b.length] : [b.length & 127 | 128, b.length >> 7]; return Buffer.concat([Buffer.from([number << 3 | 2, ...length]), b]) }
const request = Buffer.concat([field(2, field(1, node.id)), field(3, 'server:80'), field(4, 'type.googleapis.com/envoy.config.listener.v3.Listener')])
const frame = Buffer.alloc(5); frame.writeUInt32BE(request.length, 1)
const session = require('http2').connect('http://xds', { createConnection: () => require('net').connect(server_uri.replace('unix://', '')) })
const call = session.request({ ':method': 'POST', ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources', 'content-type': 'application/grpc', te: 'trailers' })
call.on('response', (headers) => { if (headers['grpc-status'] > 0) { console.log(headers['grpc-message']); process.exit() } })
call.on('data', (bytes) => { console.log(String(bytes)); process.exit() })
call.write(Buffer.concat([frame, request]))
setTimeout(() => process.exit(1), 20000)
`

/** The same pod behind two Services, which is never ready. */
const EARLY = ['early', 'late']
  .map(
    (name) => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { publishNotReadyAddresses: ${name === 'early'}, selector: { app: probed }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---`,
  )
  .join('')

/** Other names of a service of the mesh and of one outside of it. */
const ALIASES = `
apiVersion: v1
kind: Service
metadata: { name: within }
spec: { type: ExternalName, externalName: server.injection.svc.cluster.local, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: beyond }
spec: { type: ExternalName, externalName: outsider.injection-outside.svc.cluster.local, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: beyond }
spec: { hosts: [beyond], http: [{ headers: { request: { set: { x-by-name: beyond } } }, route: [{ destination: { host: beyond } }] }] }
`

/** What is said of proxies in general does not count for a pod of which more is said. */
const PROXY_CONFIGS = `
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: { name: general }
spec: { concurrency: 1, environmentVariables: { PLACE: hall, FLOOR: "2" } }
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: { name: tuned }
spec:
  selector: { matchLabels: { app: tuned } }
  concurrency: 3
  environmentVariables: { PLACE: attic }
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: { name: examined }
spec: { selector: { matchLabels: { app: examined } }, image: { imageType: debug } }
`

const pod = (name: string, metadata: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, ${metadata} }
spec: { terminationGracePeriodSeconds: 1, containers: [{ name: echo, ${CONTAINER} }] }
`

/** For what takes seconds where nothing else runs. */
const BUSY_MS = 120_000

describe.skipIf(noCluster)('injection on a cluster, under Pod Security "restricted" and STRICT', () => {
  let cluster: Cluster
  const namespace = 'injection'

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace(namespace)
    await cluster.kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted')
    await cluster.namespace('injection-outside', false)
    await cluster.apply(namespace, `${STRICT}${echo('server')}`)
    await cluster.apply('injection-outside', echo('outsider'))
    await cluster.rolledOut(namespace)
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces())

  let probed: Promise<void> | undefined
  /** A pod stays as it was made: several tests look at this one. */
  const withProbed = () => {
    probed ??= cluster.apply(namespace, PROBED)
    return probed
  }

  const json = async (...args: readonly string[]) =>
    JSON.parse(await cluster.kubectl('-n', namespace, 'get', ...args, '-o', 'json'))

  test(
    'gRPC libraries in a pod get the configuration of their pod, which is in STRICT without a key',
    async () => {
      const annotations = 'annotations: { inject.istio.io/templates: grpc-agent }'
      await cluster.apply(namespace, pod('caller', `labels: { app: caller }, ${annotations}`))
      await cluster.kubectl('-n', namespace, 'wait', 'pod/caller', '--for=condition=Ready', '--timeout=90s')
      const ask = () => cluster.kubectl('-n', namespace, 'exec', 'caller', '-c', 'echo', '--', 'node', '-e', ASK_XDS)
      await until('the listener', async () => (await ask()).includes(`server.${namespace}.svc.cluster.local`))
      // Its other calls go as they are, which STRICT refuses.
      const call = cluster.kubectl('-n', namespace, 'exec', 'caller', '-c', 'echo', '--', 'node', '-e', CALL)
      await expect(call).rejects.toThrow('exit code 1')
    },
    BUSY_MS,
  )

  test(
    'a Job calls others from its first line on, init containers included, and ends',
    async () => {
      await cluster.apply(namespace, JOB)
      await until('the Job to end', async () => (await json('job', 'report')).status.conditions?.length > 0)
      const { status } = await json('job', 'report')
      expect(status).toMatchObject({ succeeded: 1 })
    },
    BUSY_MS,
  )

  test(
    'probes of every kind find what is there under STRICT, and what is not, although all connections are redirected',
    async () => {
      await withProbed()
      const ready = async () => {
        const { status } = await json('pod', 'probed')
        const statuses: { name: string; ready: boolean }[] = status.containerStatuses ?? []
        return Object.fromEntries(statuses.map((each) => [each.name, each.ready]))
      }
      await until(
        'what is there to be seen',
        async () => {
          const { open, http, grpc, exec } = await ready()
          return open && http && grpc && exec
        },
        60,
      )
      await until('the closed port to be seen', async () => {
        const { items } = await json('events', '--field-selector', 'involvedObject.name=probed,reason=Unhealthy')
        return items.some(({ message }: { message: string }) => message.includes('Readiness probe failed'))
      })
      expect(await ready()).toEqual({ open: true, http: true, grpc: true, exec: true, closed: false })
    },
    BUSY_MS,
  )

  test(
    'a pod that asks for it becomes a gateway, at port 80 without being root',
    async () => {
      await cluster.apply(namespace, gateway())
      await cluster.rolledOut(namespace)
      await cluster.rolledOut('injection-outside')
      const script = `fetch('http://ingress.injection/').then(async (r) => console.log(r.status, await r.text()), (e) => console.log(String(e.cause)))`
      await until('the gateway to route', async () =>
        (await cluster.node('injection-outside', 'outsider', script)).startsWith('200 '),
      )
    },
    BUSY_MS,
  )

  test(
    'proxies run as ProxyConfigs say, of all and of the pod',
    async () => {
      const fields = new ShownFields()
      fields.applied(parseYaml(PROXY_CONFIGS, 'test.yaml').resources)
      fields.shows('ProxyConfig', 'concurrency', 'environmentVariables.*', 'image.imageType', 'selector.matchLabels.*')
      fields.check()
      await cluster.apply(namespace, PROXY_CONFIGS)
      // The webhook hears of them a moment later than the API server.
      const made = (name: string, isSo: (proxy: { image: string; env: { name: string }[] }) => boolean) =>
        until(`${name} with such a proxy`, async () => {
          await cluster.apply(namespace, pod(name, `labels: { app: ${name} }`))
          if (isSo((await json('pod', name)).spec.initContainers[0])) return true
          await cluster.kubectl('-n', namespace, 'delete', 'pod', name, '--grace-period=1')
          return false
        })
      // Not every cluster has that image: what a node is told to run counts.
      await made('examined', ({ image }) => image.includes(':debug-v'))
      await made('tuned', ({ image, env }) => image.includes(':v') && env.some(({ name }) => name === 'PLACE'))
      await cluster.kubectl('-n', namespace, 'wait', 'pod/tuned', '--for=condition=Ready', '--timeout=90s')
      const within = (container: string, ...command: readonly string[]) =>
        cluster.kubectl('-n', namespace, 'exec', 'tuned', '-c', container, '--', ...command)
      const ask = `fetch('http://127.0.0.1:15000/server_info').then(async (r) => console.log(await r.text()))`
      const environment = await within('weft-proxy', 'cat', '/proc/1/environ')
      expect(environment.split('\0')).toEqual(expect.arrayContaining(['PLACE=attic', 'FLOOR=2']))
      expect(JSON.parse(await within('echo', 'node', '-e', ask))).toMatchObject({
        command_line_options: { concurrency: 3 },
      })
    },
    BUSY_MS,
  )

  /** What a service answers to the pod of `server`. */
  const asked = async (url: string) => {
    const script = `fetch(process.argv[1]).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))`
    const { status, body } = JSON.parse(await cluster.node(namespace, 'server', script, url))
    return { status: status as number, echoed: (status === 200 ? JSON.parse(body) : {}) as Partial<Echoed> }
  }

  test(
    'Services publish pods that are not ready where they say so, and only there',
    async () => {
      await withProbed()
      await cluster.apply(namespace, EARLY)
      await until('the one that publishes them', async () => (await asked('http://early/')).echoed.pod === 'probed', 90)
      expect(await asked('http://late/')).toMatchObject({ status: 503 })
      expect((await json('endpointslice', '-l', 'kubernetes.io/service-name=late')).items[0].endpoints).toMatchObject([
        { conditions: { ready: false } },
      ])
    },
    BUSY_MS,
  )

  test(
    'an ExternalName is another name: of a service of the mesh with its mTLS, of others as they are',
    async () => {
      await cluster.apply(namespace, ALIASES)
      const headers = async (url: string) => (await asked(url)).echoed.headers ?? {}
      await until('the name of one outside', async () => (await headers('http://beyond/'))['x-by-name'] === 'beyond')
      expect((await asked('http://beyond/')).echoed.pod).toMatch(/^outsider-/)
      await until('the name of one within', async () =>
        (await headers('http://within/'))['x-forwarded-client-cert']?.includes(
          'URI=spiffe://cluster.local/ns/injection/sa/server',
        ),
      )
    },
    BUSY_MS,
  )

  test('pods that opt out have no proxy', async () => {
    await cluster.apply(namespace, pod('alone', 'labels: { sidecar.istio.io/inject: "false" }'))
    const { spec } = await json('pod', 'alone')
    expect(spec.initContainers).toBeUndefined()
  })

  test('mistakes in annotations are told to whoever makes the pod', async () => {
    const annotations = 'annotations: { traffic.sidecar.istio.io/excludeInboundPorts: "http" }'
    await expect(cluster.apply(namespace, pod('mistaken', annotations))).rejects.toThrow(
      'metadata.annotations["traffic.sidecar.istio.io/excludeInboundPorts"]: "http" is not a port from 1 to 65535',
    )
  })
})
