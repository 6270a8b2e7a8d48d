import { rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Registry, runMembership } from '../../src/agent/workload-group/membership.ts'
import type { WorkloadGroup } from '../../src/resources/istio.ts'
import { parseYaml } from '../../src/resources/parse.ts'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from './gateway-pod.ts'
import { healthServer } from './health-server.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { ask, askDirectly, converse, httpApplication, type TestPod, testPod } from './test-pods.ts'

/** A client and a gateway with an Envoy, and what they send to: what is tried is what DestinationRules, Sidecars and ServiceEntries make of that. */
const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: place }
spec: { selector: { app: place }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: sticky }
spec: { sessionAffinity: ClientIP, selector: { app: place }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: narrow }
spec: { selector: { app: narrow }, ports: [{ name: http, port: 80, targetPort: 9080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: tls, annotations: { weft.dev/local-port.8443: "20001" } }
spec: { selector: { app: tls }, ports: [{ name: tls, port: 8443 }] }
---
apiVersion: v1
kind: Service
metadata: { name: listener, annotations: { weft.dev/local-port.9000: "20002" } }
spec: { selector: { app: listener }, ports: [{ name: tcp, port: 9000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: forward-proxy, annotations: { weft.dev/local-port.3128: "20003" } }
spec: { selector: { app: forward-proxy }, ports: [{ name: tcp, port: 3128 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: tls }
spec: { host: tls, subsets: [{ name: one, labels: { one: "yes" } }, { name: two, labels: { two: "yes" } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tls }
spec:
  hosts: ["*.tls.default.svc.cluster.local", tls.default.svc.cluster.local]
  tls:
    - match: [{ port: 8443, sniHosts: [tls.default.svc.cluster.local] }]
      route: [{ destination: { host: tls, subset: one } }]
  tcp:
    - route: [{ destination: { host: tls, subset: two } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: listener }
spec: { host: listener, trafficPolicy: { proxyProtocol: { version: V1 }, connectionPool: { tcp: { idleTimeout: 1s } } } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: forward-proxy }
spec:
  host: forward-proxy
  trafficPolicy: { tunnel: { protocol: CONNECT, targetHost: bank.example.org, targetPort: 443 } }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: narrow }
spec:
  workloadSelector: { labels: { app: narrow } }
  ingress: [{ port: { number: 9080, protocol: HTTP, name: http }, defaultEndpoint: "127.0.0.1:8000" }]
`

let mesh: MeshOfEnvoys
let client: TestPod
let places: Readonly<Record<'near' | 'beside' | 'far', TestPod>>
const stops: (() => void)[] = []
const running = new Map<TestPod, () => void>()

const place = (name: string, locality: string, version: string) =>
  testPod({
    name,
    labels: { app: 'place', version, 'istio-locality': locality },
    proxy: false,
    serves: { place: { http: 8000 }, sticky: { http: 8000 } },
  })

const outside = (name: string, port: Record<string, number>, labels: Record<string, string> = {}) =>
  testPod({ name, labels: { app: name, ...labels }, proxy: false, serves: { [name.split('-of-')[1] ?? name]: port } })

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  stops.push(() => server.close())
  return (server.address() as { port: number }).port
}

async function run(pod: TestPod): Promise<void> {
  running.set(pod, await httpApplication(pod, 8000))
}

function end(pod: TestPod): void {
  running.get(pod)?.()
  running.delete(pod)
}

let certificate: SelfSigned
let narrow: TestPod
let egress: string
let pods: Readonly<Record<'listener' | 'forwardProxy', TestPod>>

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  certificate = await selfSigned('bank.example.com', 'tls.default.svc.cluster.local')
  egress = await freeLoopback()
  client = await testPod({ name: 'client', labels: { app: 'client', version: 'v2', 'istio-locality': 'east.east-1' } })
  narrow = await testPod({ name: 'narrow', labels: { app: 'narrow' }, serves: { narrow: { http: 9080 } } })
  places = {
    near: await place('near', 'east.east-1', 'v1'),
    beside: await place('beside', 'east.east-2', 'v1'),
    far: await place('far', 'west.west-1', 'v2'),
  }
  pods = {
    listener: await outside('listener', { tcp: 9000 }),
    forwardProxy: await outside('forward-proxy', { tcp: 3128 }),
  }
  const tls = [
    await outside('one-of-tls', { tls: 8443 }, { app: 'tls', one: 'yes' }),
    await outside('two-of-tls', { tls: 8443 }, { app: 'tls', two: 'yes' }),
  ]
  for (const pod of [...Object.values(places), narrow]) await run(pod)
  for (const pod of tls) {
    const server = createTlsServer({ cert: certificate.certificate, key: certificate.key }, (socket) => {
      socket.on('error', () => {})
      socket.end(pod.name)
    })
    await listen(server, pod.appAddress, 8443)
  }
  const gateway = gatewayPod({
    name: 'egress-0',
    namespace: 'istio-system',
    account: 'egress',
    address: egress,
    labels: { istio: 'egressgateway' },
  })
  const all = [client, narrow, ...Object.values(places), ...Object.values(pods), ...tls]
  mesh.apply(SERVICES, gateway, ...all.map(({ yaml }) => yaml))
  await mesh.startProxies()
})

afterAll(async () => {
  for (const stop of [...stops, ...running.values()]) stop()
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

const rule = (loadBalancer: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: place }
spec:
  host: place
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 1, interval: 0.2s, baseEjectionTime: 1s, maxEjectionPercent: 100 }
    loadBalancer: ${loadBalancer}
`

describe('a client', () => {
  const answering = async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(client, 'http://place:8000/')))
    // What failed stands for itself: until an endpoint is found to be gone, requests may go there.
    return [...new Set(answers.map(({ seen, status }) => seen?.pod ?? status))].sort()
  }
  const eventuallyBy = (...names: string[]) =>
    eventually(`answers by ${names}`, async () => JSON.stringify(await answering()) === JSON.stringify(names), 60_000)

  test('uses what is near for as long as that is well, then what is next, and comes back', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.outlierDetection.consecutive5xxErrors')
    mesh.apply(rule('{ localityLbSetting: { enabled: true } }'))
    await eventuallyBy('near')
    end(places.near)
    await eventuallyBy('beside')
    end(places.beside)
    await eventuallyBy('far')
    await run(places.near)
    await eventuallyBy('near')
    await run(places.beside)
  })

  test('sends the shares of localities where they are set', async () => {
    mesh.shows(
      'DestinationRule',
      'trafficPolicy.loadBalancer.localityLbSetting.distribute.from',
      'trafficPolicy.loadBalancer.localityLbSetting.distribute.to.*',
    )
    mesh.apply(rule('{ localityLbSetting: { distribute: [{ from: east/*, to: { west/west-1: 100 } }] } }'))
    await eventuallyBy('far')
    mesh.apply(
      rule('{ localityLbSetting: { distribute: [{ from: east/*, to: { east/east-1: 50, east/east-2: 50 } }] } }'),
    )
    await eventuallyBy('beside', 'near')
  })

  test('prefers what has its labels', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.localityLbSetting.failoverPriority')
    mesh.apply(rule('{ localityLbSetting: { failoverPriority: [version] } }'))
    await eventuallyBy('far')
  })

  test('uses all alike where locality is switched off', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.localityLbSetting.enabled')
    mesh.apply(rule('{ localityLbSetting: { enabled: false }, simple: ROUND_ROBIN }'))
    await eventuallyBy('beside', 'far', 'near')
  })

  test('stays with one endpoint where a Service has session affinity', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(client, 'http://sticky:8000/')))
    expect(new Set(answers.map(({ seen }) => seen?.pod)).size).toBe(1)
  })

  test('gets to where a Sidecar says that an application listens', async () => {
    mesh.shows('Sidecar', 'ingress.port.number', 'ingress.port.protocol', 'ingress.defaultEndpoint')
    expect((await ask(client, 'http://narrow/')).seen?.pod).toBe('narrow')
  })
})

describe('connections', () => {
  test('in TLS go by the name that they ask for', async () => {
    mesh.shows('VirtualService', 'tls.match.sniHosts', 'tls.route.destination.subset')
    const who = (servername: string) =>
      new Promise<string>((resolve, reject) => {
        const socket: TLSSocket = connectTls({
          host: client.address,
          port: 20001,
          servername,
          rejectUnauthorized: false,
        })
        socket.on('data', (data: Buffer) => resolve(data.toString()))
        socket.on('error', reject)
      })
    expect(await who('tls.default.svc.cluster.local')).toBe('one-of-tls')
    expect(await who('else.example.com')).toBe('two-of-tls')
  })

  test('say who they are for by the PROXY protocol, and end when nothing is said for long', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.proxyProtocol.version', 'trafficPolicy.connectionPool.tcp.idleTimeout')
    const heard = Promise.withResolvers<string>()
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (data: Buffer) => heard.resolve(data.toString()))
    })
    await listen(server, pods.listener.appAddress, 9000)
    const socket = connect({ host: client.address, port: 20002 })
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.write('hello')
    expect(await heard.promise).toMatch(/^PROXY TCP4 127\.\S+ 127\.\S+ \d+ \d+\r\n(hello)?$/)
    await closed
  })

  test('go through a tunnel', async () => {
    mesh.shows(
      'DestinationRule',
      'trafficPolicy.tunnel.protocol',
      'trafficPolicy.tunnel.targetHost',
      'trafficPolicy.tunnel.targetPort',
    )
    const asked: string[] = []
    const proxy = createHttpServer()
    proxy.on('connect', ({ method, url }, socket: Socket) => {
      asked.push(`${method} ${url}`)
      socket.on('error', () => {})
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(socket)
    })
    await listen(proxy, pods.forwardProxy.appAddress, 3128)
    expect(await converse(client.address, 20003, 'through')).toBe('through\n')
    expect(asked).toEqual(['CONNECT bank.example.org:443'])
  })
})

describe('hosts outside', () => {
  test('of a wildcard are resolved as they are called', async () => {
    mesh.shows('ServiceEntry', 'hosts', 'resolution', 'ports.number', 'ports.protocol')
    const port = await listen(
      createHttpServer(({ headers }, response) => response.end(headers.host)),
      '127.0.0.1',
      0,
    )
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: anything }
spec: { hosts: ["*.localhost"], resolution: DYNAMIC_DNS, ports: [{ number: ${port}, name: http, protocol: HTTP }] }
`)
    const host = `anything.localhost:${port}`
    await eventually('the wildcard', async () => (await ask(client, `http://${host}/`)).text === host)
  })

  test('that are members of a WorkloadGroup come, are asked how they are, and go', async () => {
    mesh.shows(
      'WorkloadGroup',
      'metadata.labels.*',
      'template.labels.*',
      'template.ports.*',
      'probe.httpGet.path',
      'probe.httpGet.port',
      'probe.periodSeconds',
      'probe.failureThreshold',
    )
    mesh.shows('WorkloadGroup', 'template.weight', 'template.locality', 'template.serviceAccount')
    const text = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: vm }
spec:
  metadata: { labels: { app: vm } }
  template: { labels: { version: v1 }, ports: { http: 9100 }, weight: 7, locality: east/east-1, serviceAccount: vm }
  probe: { periodSeconds: 1, failureThreshold: 2, httpGet: { path: /healthz, port: 9100 } }
`
    mesh.apply(
      text,
      `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vm }
spec:
  hosts: [vm.example.com]
  resolution: STATIC
  location: MESH_INTERNAL
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: vm, version: v1 } }
`,
    )
    let isWell = false
    const address = await freeLoopback()
    const server = createHttpServer(({ url }, response) => {
      response.writeHead(url === '/healthz' && !isWell ? 503 : 200).end('vm')
    })
    await listen(server, address, 9100)
    const asked = async () => {
      const { status, text } = await ask(client, 'http://vm.example.com/')
      return status === 200 ? text : status
    }
    const registry: Registry = {
      put: async (entry) => mesh.apply(JSON.stringify(entry)),
      tell: async (entry, health) => mesh.apply(JSON.stringify({ ...entry, status: { conditions: [health] } })),
      remove: async (entry) => mesh.remove(JSON.stringify(entry)),
    }
    const stop = new AbortController()
    const [group] = parseYaml(text, 'group.yaml').resources as WorkloadGroup[]
    const membership = runMembership({ group: group as WorkloadGroup, address, registry, log: () => {} }, stop.signal)
    await eventually('a member of which nothing is known', async () => (await asked()) === 503)
    const [member] = [...mesh.snapshot.all('networking.istio.io/WorkloadEntry').values()].filter(
      ({ spec }) => spec?.address === address,
    )
    expect(member?.spec).toMatchObject({ weight: 7, locality: 'east/east-1', serviceAccount: 'vm' })
    isWell = true
    await eventually('the member to be well', async () => (await asked()) === 'vm')
    isWell = false
    await eventually('the member not to be well', async () => (await asked()) === 503)
    isWell = true
    await eventually('the member to be well again', async () => (await asked()) === 'vm')
    stop.abort()
    await membership
    await eventually('nobody to be there', async () => (await asked()) === 503)
  })

  test('of a WorkloadGroup are asked over TLS, TCP or gRPC, or by a command', async () => {
    mesh.shows(
      'WorkloadGroup',
      'metadata.annotations.*',
      'probe.exec.command',
      'probe.grpc.port',
      'probe.grpc.service',
      'probe.httpGet.host',
      'probe.httpGet.httpHeaders.name',
      'probe.httpGet.httpHeaders.value',
      'probe.httpGet.scheme',
      'probe.initialDelaySeconds',
      'probe.successThreshold',
      'probe.tcpSocket.host',
      'probe.tcpSocket.port',
      'probe.timeoutSeconds',
    )
    const addresses = { tls: await freeLoopback(), tcp: await freeLoopback(), grpc: await freeLoopback() }
    const [elsewhere, command] = [await freeLoopback(), await freeLoopback()]
    const state = new Map<string, boolean>()
    const wellSaid = { tls: 0 }
    const secret = createHttpsServer(
      { cert: certificate.certificate, key: certificate.key },
      ({ headers, url }, response) => {
        const isWell = state.get('tls') && url === '/healthz' && headers['x-probe'] === 'weft'
        if (isWell) wellSaid.tls++
        response.writeHead(isWell ? 200 : 500).end()
      },
    )
    await listen(secret, elsewhere, 9443)
    const file = join(mesh.folder, 'is-well')
    let taking: Server | undefined
    const health = await healthServer(addresses.grpc, 9101, 'shop.Stock', () => state.get('grpc') === true)
    stops.push(health)
    const probes: Readonly<Record<string, string>> = {
      tls: `initialDelaySeconds: 1, successThreshold: 3, httpGet: { scheme: HTTPS, host: ${elsewhere}, port: 9443, path: /healthz, httpHeaders: [{ name: x-probe, value: weft }] }`,
      tcp: `tcpSocket: { host: ${elsewhere}, port: 9444 }`,
      grpc: 'grpc: { port: 9101, service: shop.Stock }',
      // What takes too long is not well.
      command: `timeoutSeconds: 1, exec: { command: [sh, -c, 'test -e ${file} || exec sleep 60'] }`,
    }
    const become: Readonly<Record<string, (well: boolean) => Promise<void> | void>> = {
      tls: (well) => void state.set('tls', well),
      grpc: (well) => void state.set('grpc', well),
      tcp: async (well) => {
        taking?.close()
        if (!well) return
        taking = createServer((socket) => socket.destroy())
        await listen(taking, elsewhere, 9444)
      },
      command: (well) => (well ? writeFileSync(file, '') : rmSync(file, { force: true })),
    }
    const stop = new AbortController()
    const began = performance.now()
    const put = new Map<string, { readonly after: number; readonly annotations: unknown }>()
    const saidBefore: number[] = []
    const members = Object.entries(probes).map(async ([kind, probe]) => {
      const address = kind === 'command' ? command : addresses[kind as keyof typeof addresses]
      await listen(
        createHttpServer((_, response) => response.end(kind)),
        address,
        9100,
      )
      const text = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: by-${kind} }
spec:
  metadata: { labels: { app: by-${kind} }, annotations: { example.com/by: ${kind} } }
  template: { ports: { http: 9100 } }
  probe: { periodSeconds: 1, failureThreshold: 1, ${probe} }`
      mesh.apply(
        text,
        `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: by-${kind} }
spec:
  hosts: [by-${kind}.example.com]
  resolution: STATIC
  location: MESH_INTERNAL
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: by-${kind} } }`,
      )
      const registry: Registry = {
        put: async (entry) => {
          put.set(kind, { after: performance.now() - began, annotations: entry.metadata.annotations })
          mesh.apply(JSON.stringify(entry))
        },
        tell: async (entry, told) => {
          if (kind === 'tls' && told.status === 'True') saidBefore.push(wellSaid.tls)
          mesh.apply(JSON.stringify({ ...entry, status: { conditions: [told] } }))
        },
        remove: async (entry) => mesh.remove(JSON.stringify(entry)),
      }
      const [group] = parseYaml(text, 'group.yaml').resources as WorkloadGroup[]
      return runMembership({ group: group as WorkloadGroup, address, registry, log: () => {} }, stop.signal)
    })
    const answers = async () => {
      const all = await Promise.all(Object.keys(probes).map((kind) => ask(client, `http://by-${kind}.example.com/`)))
      return all.map(({ status, text }) => (status === 200 ? text : status)).join()
    }
    const changes = async (well: boolean) => {
      await Promise.all(Object.values(become).map((set) => set(well)))
      const expected = well ? Object.keys(probes).join() : Object.keys(probes).fill('503').join()
      await eventually(`all to be ${well ? '' : 'not '}well`, async () => (await answers()) === expected, 60_000)
    }
    for (const well of [false, true, false]) await changes(well)
    // It began by being not well; of those who are, three answers in a row said so.
    expect(saidBefore[0]).toBeGreaterThanOrEqual(3)
    expect(put.get('tls')?.after).toBeGreaterThan(900)
    expect(put.get('tcp')?.annotations).toMatchObject({ 'example.com/by': 'tcp' })
    stop.abort()
    await Promise.all(members)
    taking?.close()
    const gone = Object.keys(probes).fill('503').join()
    await eventually('nobody to be there', async () => (await answers()) === gone)
  }, 120_000)

  test('get TLS with the credential of the egress gateway, which alone has it', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.tls.mode', 'trafficPolicy.tls.credentialName', 'trafficPolicy.tls.sni')
    const own = await selfSigned('partner.example.org')
    const address = await freeLoopback()
    const bank = createHttpsServer(
      { cert: certificate.certificate, key: certificate.key, ca: own.certificate, requestCert: true },
      (request, response) => response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody'),
    )
    await listen(bank, address, 8443)
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: istio-system }
spec:
  hosts: [bank.example.com]
  resolution: STATIC
  endpoints: [{ address: ${address} }]
  ports: [{ number: 8443, name: https, protocol: HTTPS }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: bank, namespace: istio-system }
spec: { host: bank.example.com, trafficPolicy: { tls: { mode: MUTUAL, credentialName: bank, sni: bank.example.com } } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: egress, namespace: istio-system }
spec:
  selector: { istio: egressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: [bank.example.com] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: bank, namespace: istio-system }
spec:
  hosts: [bank.example.com]
  gateways: [egress]
  http: [{ route: [{ destination: { host: bank.example.com, port: { number: 8443 } } }] }]
`)
    const asked = () => askDirectly(egress, 8080, '/', { host: 'bank.example.com' })
    await eventually('the route', async () => (await asked().catch(() => undefined))?.status === 503)
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    mesh.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'bank', namespace: 'istio-system' },
        data: {
          'tls.crt': base64(own.certificate),
          'tls.key': base64(own.key),
          'ca.crt': base64(certificate.certificate),
        },
      }),
    )
    await eventually('the credential', async () => (await asked()).text === 'partner.example.org')
  })
})

describe('where an object does not say it, the mesh config says', () => {
  const config = (settings: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "{ ${settings} }" }
`
  const status = async (url = 'http://place:8000/') => (await ask(client, url)).status

  test('who sees services and VirtualServices, and what becomes of calls to what is not seen', async () => {
    mesh.shows('MeshConfig', 'defaultServiceExportTo', 'defaultVirtualServiceExportTo', 'outboundTrafficPolicy')
    const elsewhere = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: place, namespace: elsewhere }
spec: { hosts: [place.default.svc.cluster.local], http: [{ directResponse: { status: 418 } }] }
`
    mesh.apply(elsewhere)
    await eventually('the answer of the VirtualService', async () => (await status()) === 418)
    mesh.apply(config('defaultVirtualServiceExportTo: [.]'))
    await eventually('an answer of the service', async () => (await status()) === 200)
    mesh.remove(elsewhere)
    mesh.shows('MeshConfig', 'defaultDestinationRuleExportTo')
    const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: narrow, namespace: istio-system }
spec: { host: narrow.default.svc.cluster.local, trafficPolicy: { tls: { mode: SIMPLE } } }
`
    mesh.remove(config(''))
    mesh.apply(rule)
    await eventually('TLS, which is not that of the mesh', async () => (await status('http://narrow/')) === 503)
    mesh.apply(config('defaultDestinationRuleExportTo: [.]'))
    await eventually('an answer of the service', async () => (await status('http://narrow/')) === 200)
    mesh.remove(rule)
    mesh.apply(config("defaultServiceExportTo: ['~'], outboundTrafficPolicy: { mode: REGISTRY_ONLY }"))
    await eventually('no way to the service', async () => (await status()) === 502)
    mesh.remove(config(''))
    await eventually('the way to be back', async () => (await status()) === 200)
  })

  test('what is tried again', async () => {
    mesh.shows('MeshConfig', 'defaultHttpRetryPolicy')
    const moody = await outside('moody', { http: 8000 })
    let asked = 0
    const server = createHttpServer((_, response) => {
      asked += 1
      response.writeHead(asked % 3 === 0 ? 200 : 500).end()
    })
    await listen(server, moody.appAddress, 8000)
    mesh.apply(
      moody.yaml,
      `
apiVersion: v1
kind: Service
metadata: { name: moody }
spec: { selector: { app: moody }, ports: [{ name: http, port: 8000 }] }
`,
    )
    await eventually('an answer of the application', async () => (await status('http://moody:8000/')) === 500)
    mesh.apply(config('defaultHttpRetryPolicy: { attempts: 2, retryOn: 5xx, retryIgnorePreviousHosts: false }'))
    const three = async () => [
      await status('http://moody:8000/'),
      await status('http://moody:8000/'),
      await status('http://moody:8000/'),
    ]
    await eventually('no answer but those of third tries', async () => (await three()).join() === '200,200,200')
    mesh.remove(config(''))
  })
})
