import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canRedirect, RedirectedPods } from './redirected-pods.ts'

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

const POD = (name: string, address: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name}, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: ${name}, containers: [{ name: app }] }
status: { podIP: ${address}, phase: Running }
---`

const MESH = `${POD('client', '10.77.0.1')}${POD('server', '10.77.0.2')}
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.10
  selector: { app: server }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: http-alt, port: 8080 }, { name: tcp, port: 3306, targetPort: 9306 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }, { name: http-alt, port: 8080 }, { name: tcp, port: 9306 }]
endpoints: [{ addresses: [10.77.0.2], conditions: { ready: true }, targetRef: { kind: Pod, name: server, namespace: shop } }]
---
apiVersion: v1
kind: Service
metadata: { name: members, namespace: shop }
spec: { clusterIP: None, selector: { app: server }, ports: [{ name: tcp, port: 9306 }, { name: http, port: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: members, namespace: shop, labels: { kubernetes.io/service-name: members } }
addressType: IPv4
ports: [{ name: tcp, port: 9306 }, { name: http, port: 8080 }]
endpoints: [{ addresses: [10.77.0.2], conditions: { ready: true }, targetRef: { kind: Pod, name: server, namespace: shop } }]
---
apiVersion: v1
kind: Service
metadata: { name: alias, namespace: shop }
spec: { type: ExternalName, externalName: web.shop.svc.cluster.local }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`

/** Gives requests to the server a header by one of its chains. */
const filter = (chain: string, header: string) => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: ${header}, namespace: shop }
spec:
  workloadSelector: { labels: { app: server } }
  configPatches:
    - applyTo: HTTP_FILTER
      match:
        context: SIDECAR_INBOUND
        listener: { filterChain: { ${chain}, filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.router } } } }
      patch:
        operation: INSERT_BEFORE
        value:
          name: ${header}
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
            default_source_code: { inline_string: "function envoy_on_request(handle) handle:headers():add('${header}', 'yes') end" }`

/** In force from the start: a connection that there is stays with the listener that took it. */
const FILTERS = [
  filter('destinationPort: 8080', 'by-port'),
  filter('destinationPort: 9306', 'by-other-port'),
  filter('name: "0.0.0.0_8080"', 'by-name'),
  filter('name: "0.0.0.0_9306"', 'by-other-name'),
].join('\n---')

/** Answers HTTP with the headers that came, and speaks first on the TCP port. */
const SERVER = `
require('http').createServer((q, a) => a.end(JSON.stringify(q.headers))).listen(8080, '0.0.0.0', () =>
  require('net').createServer(s => s.on('error', () => {}).end('hello from the database')).listen(9306, '0.0.0.0', () => console.log('ready')))`

const get = (url: string, host: string) => `
require('http').get('${url}', { headers: { host: '${host}' } }, a => { let b = ''; a.on('data', d => b += d).on('end', () => console.log(a.statusCode, b)) })
  .on('error', e => console.log('error', e.code))`

const read = (port: number, address: string) => `
require('net').connect(${port}, '${address}').on('data', d => console.log(String(d))).on('error', e => console.log('error', e.code)).on('close', () => console.log('closed'))`

describe.skipIf(!isPossible)('pods whose traffic the kernel redirects', () => {
  const pods = new RedirectedPods()
  const run = async (pod: string, script: string) =>
    (await text(pods.application(pod, script).stdout as NodeJS.ReadableStream)).trim()

  beforeAll(async () => {
    pods.network({ client: '10.77.0.1', server: '10.77.0.2', outsider: '10.77.0.3' })
    pods.apply(MESH)
    pods.apply(FILTERS)
    for (const pod of ['server', 'outsider'])
      await once(pods.application(pod, SERVER).stdout as NodeJS.ReadableStream, 'data')
    await pods.startProxies()
  })
  afterAll(() => pods.stop())

  test('HTTP to a virtual address arrives with the identity of the client', async () => {
    const answer = await run('client', get('http://10.96.0.10/', 'web'))
    expect(answer).toMatch(/^200 /)
    expect(answer).toContain('By=spiffe://cluster.local/ns/shop/sa/server')
    expect(answer).toContain('URI=spiffe://cluster.local/ns/shop/sa/client')
  })

  test('an ExternalName of a Service is another name for it, with its mTLS', async () => {
    for (const name of ['alias', 'alias.shop.svc.cluster.local']) {
      const answer = await run('client', get('http://10.96.0.10/', name))
      expect(answer).toMatch(/^200 /)
      expect(answer).toContain('URI=spiffe://cluster.local/ns/shop/sa/client')
    }
    expect(await pods.counter('client', 'cluster.outbound|80||alias.shop.svc.cluster.local.upstream_rq_200')).toBe(2)
  })

  test('a server that speaks first is heard through mTLS', async () => {
    expect(await run('client', read(3306, '10.96.0.10'))).toBe('hello from the database\nclosed')
    expect(await pods.counter('client', 'cluster.outbound|3306||web.shop.svc.cluster.local.ssl.handshake')).toBe(1)
  })

  test('a member of a headless service is called at its own address, with mTLS', async () => {
    expect(await run('client', read(9306, '10.77.0.2'))).toBe('hello from the database\nclosed')
    expect(
      await pods.counter('client', 'cluster.outbound|9306|@mtls|members.shop.svc.cluster.local.ssl.handshake'),
    ).toBe(1)
  })

  test('a member of a headless service is called by its own name, with mTLS', async () => {
    for (const name of ['server.members', 'server.members.shop', 'server.members.shop.svc.cluster.local']) {
      const answer = await run('client', get('http://10.77.0.2:8080/', `${name}:8080`))
      expect(answer).toMatch(/^200 /)
      expect(answer).toContain('URI=spiffe://cluster.local/ns/shop/sa/client')
    }
  })

  test('STRICT refuses plaintext, at ports of services and at others', async () => {
    expect(await run('outsider', get('http://10.77.0.2:8080/', 'web'))).toBe('error ECONNRESET')
    expect(await run('outsider', read(9306, '10.77.0.2'))).toBe('closed')
    expect(await run('outsider', read(9999, '10.77.0.2'))).toBe('closed')
  })

  test('what the mesh does not know is called as ever', async () => {
    // HTTP, as it goes to a port at which the mesh has some.
    expect(await run('client', get('http://10.77.0.3:8080/', 'elsewhere.example.com'))).toMatch(/^200 /)
    expect(await pods.counter('client', 'cluster.PassthroughCluster.upstream_rq_total')).toBe(1)
    expect(await run('client', read(9306, '10.77.0.3'))).toBe('hello from the database\nclosed')
  })

  test('a service answers the pod that serves it itself', async () => {
    const answer = await run('server', get('http://10.96.0.10/', 'web.shop'))
    expect(answer).toMatch(/^200 /)
    expect(answer).toContain('URI=spiffe://cluster.local/ns/shop/sa/server')
  })

  const route = (kind: string, rest: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: by-address, namespace: shop }
spec:
  hosts: [by-address.example.com]
  ${kind}:
    - match: [{ ${rest}, destinationSubnets: [10.99.0.0/25] }]
      route: [{ destination: { host: by-address.example.com, port: { number: 9306 } } }]`

  test('connections can be told by the address that they go to', async () => {
    pods.shows('VirtualService', 'tcp.match.destinationSubnets', 'tls.match.destinationSubnets')
    const entry = (protocol: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: by-address, namespace: shop }
spec:
  hosts: [by-address.example.com]
  addresses: [10.99.0.0/24]
  resolution: STATIC
  endpoints: [{ address: 10.77.0.3, ports: { other: 9999, database: 9306 } }]
  ports: [{ number: 7000, name: other, protocol: ${protocol} }, { number: 9306, name: database, protocol: TCP }]`
    const heard = () => Promise.all(['10.99.0.1', '10.99.0.200'].map((address) => run('client', read(7000, address))))
    pods.apply(entry('TCP'))
    pods.apply(route('tcp', 'port: 7000'))
    await expect.poll(heard, { timeout: 55_000 }).toEqual(['hello from the database\nclosed', 'closed'])
    const inTls = (address: string) => `
require('tls').connect({ host: '${address}', port: 7000, servername: 'by-address.example.com' }).on('error', e => console.log(e.code))`
    const answers = () => Promise.all(['10.99.0.1', '10.99.0.200'].map((address) => run('client', inTls(address))))
    pods.apply(entry('TLS'))
    pods.apply(route('tls', 'port: 7000, sniHosts: [by-address.example.com]'))
    // What the database says is no TLS.
    await expect.poll(answers, { timeout: 55_000 }).toEqual([expect.stringMatching(/^ERR_SSL/), 'ECONNRESET'])
  })

  test('an EnvoyFilter tells the chains of a port by its number or their name', async () => {
    pods.shows('EnvoyFilter', 'configPatches.match.listener.filterChain.destinationPort')
    pods.shows('EnvoyFilter', 'configPatches.match.listener.filterChain.name')
    const answer = await run('client', get('http://10.96.0.10/', 'web'))
    const seen = [...answer.matchAll(/"(by-[a-z-]+)":"yes"/g)].map(([, header]) => header).sort()
    expect(seen).toEqual(['by-name', 'by-port'])
  })

  test('no Envoy refuses anything', () => expect(pods.nacks).toEqual([]))

  test('released, a pod is called without its proxy', async () => {
    await pods.release('server')
    expect(await run('outsider', get('http://10.77.0.2:8080/', 'web'))).toMatch(/^200 /)
  })
})
