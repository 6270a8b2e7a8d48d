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
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`

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

  test('no Envoy refuses anything', () => expect(pods.nacks).toEqual([]))

  test('released, a pod is called without its proxy', async () => {
    await pods.release('server')
    expect(await run('outsider', get('http://10.77.0.2:8080/', 'web'))).toMatch(/^200 /)
  })
})
