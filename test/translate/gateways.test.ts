import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { grpcAuthorizer, httpAuthorizer } from './external-authorizer.ts'
import { gatewayPod } from './gateway-pod.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { askDirectly, converse, httpApplication, type TestPod, tcpApplication, testPod } from './test-pods.ts'

let mesh: MeshOfEnvoys
let shop: TestPod
let secure: TestPod
/** Where the gateways listen. */
let istio: string
let api: string
let certificate: SelfSigned
let clientCertificate: SelfSigned
const stops: (() => void)[] = []

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ name: http, port: 8000 }, { name: tcp, port: 9000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: secure }
spec: { selector: { app: secure }, ports: [{ name: tls, port: 8443 }] }
---
apiVersion: v1
kind: Service
metadata: { name: basket }
spec: { selector: { app: basket }, ports: [{ name: http, port: 8000 }, { name: echo, port: 5300, protocol: UDP }] }
`

const ISTIO = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 8080, name: http, protocol: HTTP }
    hosts: [shop.example.com, '*.wild.example.com']
  - port: { number: 8080, name: http-redirect, protocol: HTTP }
    hosts: [only-https.example.com]
    tls: { httpsRedirect: true }
  - port: { number: 8443, name: https, protocol: HTTPS }
    hosts: [shop.example.com]
    tls: { mode: SIMPLE, credentialName: shop }
  - port: { number: 8443, name: mutual, protocol: HTTPS }
    hosts: [mutual.example.com]
    tls: { mode: MUTUAL, credentialName: mutual }
  - port: { number: 8443, name: passed, protocol: TLS }
    hosts: [secure.example.com]
    tls: { mode: PASSTHROUGH }
  - port: { number: 8443, name: missing, protocol: HTTPS }
    hosts: [missing.example.com]
    tls: { mode: SIMPLE, credentialName: missing }
  - port: { number: 9000, name: tcp, protocol: TCP }
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop.example.com, mutual.example.com, '*.wild.example.com', not-on-the-gateway.example.com]
  gateways: [public]
  http:
  - match: [{ uri: { prefix: /shop } }]
    route: [{ destination: { host: shop, port: { number: 8000 } } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: other }
spec:
  hosts: ['*']
  gateways: [public]
  http: [{ match: [{ uri: { prefix: /other } }], route: [{ destination: { host: shop, port: { number: 8000 } } }] }]
  tls: [{ match: [{ sniHosts: [secure.example.com] }], route: [{ destination: { host: secure } }] }]
  tcp: [{ match: [{ port: 9000 }], route: [{ destination: { host: shop, port: { number: 9000 } } }] }]
`

const API = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: weft
  listeners:
  - { name: any, port: 8080, protocol: HTTP }
  - { name: special, port: 8080, protocol: HTTP, hostname: '*.special.example.com' }
  - name: https
    port: 8443
    protocol: HTTPS
    hostname: shop.example.com
    tls: { certificateRefs: [{ name: shop, namespace: istio-system }] }
  - { name: tcp, port: 9000, protocol: TCP }
  - { name: udp, port: 9000, protocol: UDP }
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: shop, namespace: istio-system }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: default }]
  to: [{ group: '', kind: Secret }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: any }
spec:
  parentRefs: [{ name: web, sectionName: any }]
  rules: [{ backendRefs: [{ name: shop, port: 8000 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: special }
spec:
  parentRefs: [{ name: web, sectionName: special }, { name: web, sectionName: https }]
  rules:
  - matches: [{ path: { type: PathPrefix, value: /shop } }]
    backendRefs: [{ name: shop, port: 8000 }]
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: { name: tcp }
spec:
  parentRefs: [{ name: web, sectionName: tcp }]
  rules: [{ backendRefs: [{ name: shop, port: 9000 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: udp }
spec:
  parentRefs: [{ name: web, sectionName: udp }]
  rules: [{ backendRefs: [{ name: basket, port: 5300 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: basket }
spec:
  parentRefs: [{ name: web, sectionName: any }]
  hostnames: [basket.example.com]
  rules:
  - matches: [{ path: { value: /cookie } }]
    sessionPersistence: { cookie: { name: basket, lifetimeType: Permanent }, absoluteTimeout: 1h }
    backendRefs: [{ name: basket, port: 8000 }]
  - matches: [{ path: { value: /header } }]
    sessionPersistence: { type: Header, header: { name: x-basket } }
    backendRefs: [{ name: basket, port: 8000 }]
  - backendRefs: [{ name: basket, port: 8000 }]
`

function tlsSecret(name: string, { certificate, key }: SelfSigned, ca?: SelfSigned): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const data = {
    'tls.crt': base64(certificate),
    'tls.key': base64(key),
    ...(ca ? { 'ca.crt': base64(ca.certificate) } : {}),
  }
  return JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'istio-system' }, data })
}

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  const names = ['shop.example.com', 'mutual.example.com', 'secure.example.com', 'missing.example.com']
  certificate = await selfSigned(...names)
  clientCertificate = await selfSigned('partner.example.org')
  ;[istio, api] = [await freeLoopback(), await freeLoopback()]
  shop = await testPod({ name: 'shop-0', labels: { app: 'shop' }, serves: { shop: { http: 8000, tcp: 9000 } } })
  secure = await testPod({
    name: 'secure-0',
    labels: { app: 'secure' },
    proxy: false,
    serves: { secure: { tls: 8443 } },
  })
  for (const name of ['basket-0', 'basket-1']) {
    const pod = await testPod({ name, labels: { app: 'basket' }, proxy: false, serves: { basket: { http: 8000 } } })
    stops.push(await httpApplication(pod, 8000), await udpApplication(pod))
    mesh.apply(pod.yaml, udpSlice(pod))
  }
  stops.push(await httpApplication(shop, 8000), await tcpApplication(shop, 9000), await tlsApplication(secure))
  mesh.apply(SERVICES, ISTIO, API, shop.yaml, secure.yaml)
  mesh.apply(tlsSecret('shop', certificate), tlsSecret('mutual', certificate, clientCertificate))
  const ingress = { istio: 'ingressgateway' }
  mesh.apply(gatewayPod({ name: 'istio-0', namespace: 'istio-system', address: istio, labels: ingress }))
  const web = { 'gateway.networking.k8s.io/gateway-name': 'web' }
  mesh.apply(gatewayPod({ name: 'web-0', address: api, labels: web }))
  await mesh.startProxies()
})

afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
})

async function tlsApplication(pod: TestPod): Promise<() => void> {
  const server = createTlsServer({ cert: certificate.certificate, key: certificate.key }, (socket) => {
    socket.on('error', () => {})
    socket.end('unopened')
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(8443, pod.appAddress, resolve))
  return () => server.close()
}

const UDP_PORT = 5353

/** Answers every datagram with its pod's name, and what it got. */
async function udpApplication({ name, appAddress }: TestPod): Promise<() => void> {
  const socket = createSocket('udp4', (data, { port, address }) => socket.send(`${name} ${data}`, port, address))
  socket.bind(UDP_PORT, appAddress)
  await once(socket, 'listening')
  return () => void socket.close()
}

function udpSlice({ name, address }: TestPod): string {
  const metadata = { name: `basket-udp-${name}`, labels: { 'kubernetes.io/service-name': 'basket' } }
  const ports = [{ name: 'echo', port: UDP_PORT, protocol: 'UDP' }]
  const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' }
  return JSON.stringify({ ...slice, ports, endpoints: [{ addresses: [address], conditions: { ready: true } }] })
}

/** What comes back for each of some datagrams, which are sent from one port, one after the other. */
async function datagrams(host: string, port: number, texts: readonly string[]): Promise<readonly string[]> {
  const socket = createSocket('udp4')
  try {
    const answers: string[] = []
    for (const text of texts) {
      socket.send(text, port, host)
      const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer]
      answers.push(answer.toString())
    }
    return answers
  } finally {
    socket.close()
  }
}

/** The status of a GET over TLS, or what kept it from one. */
function overTls(host: string, servername: string, path: string, as?: SelfSigned): Promise<number | string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({
      host,
      port: 8443,
      servername,
      ca: certificate.certificate,
      ...(as ? { cert: as.certificate, key: as.key } : {}),
    })
    socket.on('error', (error) => resolve(error.message))
    socket.on('secureConnect', () => {
      const outgoing = request({ createConnection: () => socket, path, headers: { host: servername } }, (incoming) => {
        incoming.resume()
        resolve(incoming.statusCode ?? 0)
        socket.destroy()
      })
      outgoing.on('error', (error) => resolve(error.message))
      outgoing.end()
    })
  })
}

/** What a TLS server says first. */
function heardOverTls(host: string, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port: 8443, servername, ca: certificate.certificate })
    socket.on('error', reject)
    socket.on('data', (data) => resolve(data.toString()))
  })
}

const status = async (address: string, host: string, path: string) =>
  (await askDirectly(address, 8080, path, { host })).status

test('nothing that we make is refused by Envoy', () => {
  expect(mesh.nacks).toEqual([])
})

describe('an Istio Gateway', () => {
  test.each([
    ['shop.example.com', '/shop', 200],
    ['shop.example.com:31080', '/shop', 200],
    ['shop.example.com', '/other', 200],
    ['shop.example.com', '/else', 404],
    ['a.wild.example.com', '/shop', 200],
    ['not-on-the-gateway.example.com', '/shop', 404],
    ['unknown.example.com', '/other', 404],
  ])('answers http://%s%s with %i', async (host, path, expected) => {
    mesh.shows('Gateway', 'selector.*', 'servers.hosts', 'servers.port.number', 'servers.port.protocol')
    mesh.shows('VirtualService', 'gateways', 'http.route.destination.port.number')
    expect(await status(istio, host, path)).toBe(expected)
  })

  test('calls the service by mesh mTLS, and does not believe what clients say of certificates', async () => {
    const { seen } = await askDirectly(istio, 8080, '/shop', {
      host: 'shop.example.com',
      'x-forwarded-client-cert': 'URI=spiffe://forged',
    })
    const who = seen?.headers['x-forwarded-client-cert']
    expect(who).toContain('URI=spiffe://cluster.local/ns/istio-system/sa/istio-0')
    expect(who).not.toContain('forged')
  })

  test('sends plaintext requests to https where it is told to', async () => {
    mesh.shows('Gateway', 'servers.tls.httpsRedirect')
    const { status, headers } = await askDirectly(istio, 8080, '/x', { host: 'only-https.example.com' })
    expect([status, headers.location]).toEqual([301, 'https://only-https.example.com/x'])
  })

  test('ends TLS with the certificate of a Secret', async () => {
    mesh.shows('Gateway', 'servers.tls.credentialName', 'servers.tls.mode')
    expect(await overTls(istio, 'shop.example.com', '/shop')).toBe(200)
    expect(await overTls(istio, 'missing.example.com', '/shop')).not.toBe(200)
  })

  test('asks clients for a certificate in mode MUTUAL', async () => {
    expect(await overTls(istio, 'mutual.example.com', '/shop', clientCertificate)).toBe(200)
    expect(await overTls(istio, 'mutual.example.com', '/shop')).toMatch(/certificate|reset|hang up/i)
    expect(await overTls(istio, 'mutual.example.com', '/shop', certificate)).toMatch(
      /certificate|unknown|reset|hang up/i,
    )
  })

  test('passes TLS through by name, and bytes', async () => {
    mesh.shows(
      'VirtualService',
      'tls.match.sniHosts',
      'tls.route.destination.host',
      'tcp.route.destination.port.number',
    )
    expect(await heardOverTls(istio, 'secure.example.com')).toBe('unopened')
    expect(await converse(istio, 9000, 'hello')).toBe('shop-0\nhello\n')
  })

  test('takes a renewed certificate, and a host that comes later, without losing its listeners', async () => {
    const before = await mesh.admin('istio-0', '/stats?filter=listener_manager.listener_(added|modified)')
    const renewed = await selfSigned('shop.example.com', 'mutual.example.com', 'secure.example.com')
    mesh.apply(tlsSecret('shop', renewed))
    const serialOf = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls({
          host: istio,
          port: 8443,
          servername: 'shop.example.com',
          rejectUnauthorized: false,
        })
        socket.on('error', reject)
        socket.on('secureConnect', () => {
          resolve(socket.getPeerX509Certificate()?.toString() ?? '')
          socket.destroy()
        })
      })
    await eventually('the renewed certificate', async () => (await serialOf()).trim() === renewed.certificate.trim())
    expect(await mesh.admin('istio-0', '/stats?filter=listener_manager.listener_(added|modified)')).toBe(before)
    mesh.apply(tlsSecret('shop', certificate))
    mesh.apply(tlsSecret('missing', certificate))
    await eventually(
      'a server whose Secret came later',
      async () => (await overTls(istio, 'missing.example.com', '/')) === 404,
    )
    expect(mesh.nacks).toEqual([])
  })
})

test('what is wrong in other Gateways and rules on the same proxy harms nothing else', async () => {
  // Expired, not yet valid, with the key of another, and none at all.
  const secrets = readFileSync(join(import.meta.dirname, '../../src/analysis/testdata/credentials.in.yaml'), 'utf8')
    .split(/^---$/m)
    .filter((text) => /^kind: Secret$/m.test(text))
  const wrong = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: wrong }
spec:
  selector: { istio: ingressgateway }
  servers:
  - { port: { number: 8080, name: clash, protocol: TCP }, hosts: ['*'] }
  - { port: { number: 8080, name: again, protocol: HTTP }, hosts: [shop.example.com] }
  - { port: { number: 8443, name: expired, protocol: HTTPS }, hosts: [expired.example.com], tls: { mode: SIMPLE, credentialName: expired } }
  - { port: { number: 8443, name: early, protocol: HTTPS }, hosts: [early.example.com], tls: { mode: SIMPLE, credentialName: early } }
  - { port: { number: 8443, name: mixed, protocol: HTTPS }, hosts: [mixed.example.com], tls: { mode: SIMPLE, credentialName: mixed-up } }
  - { port: { number: 8443, name: garbled, protocol: HTTPS }, hosts: [garbled.example.com], tls: { mode: SIMPLE, credentialName: garbled } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: circle }
spec: { http: [{ match: [{ uri: { prefix: /circle } }], delegate: { name: circle } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wrong }
spec:
  hosts: [wrong.wild.example.com]
  gateways: [public]
  http:
  - match: [{ uri: { regex: '/(((a{1,100}){1,100}){1,100}){1,100}' } }]
    route: [{ destination: { host: shop, port: { number: 8000 } } }]
  - { match: [{ uri: { prefix: /circle } }], delegate: { name: circle } }
  - match: [{ uri: { prefix: /weights } }]
    route: [{ destination: { host: shop, port: { number: 8000 } }, weight: 90 }, { destination: { host: shop, port: { number: 8000 } }, weight: 90 }]
  - match: [{ uri: { prefix: /fine } }]
    route: [{ destination: { host: shop, port: { number: 8000 } } }]
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: idle }
spec:
  configPatches:
  - applyTo: CLUSTER
    match: { context: GATEWAY, cluster: { service: nowhere.example.com } }
    patch: { operation: MERGE, value: { connect_timeout: 1s } }`
  mesh.apply(...secrets, wrong)
  const answers = async () => [
    await status(istio, 'wrong.wild.example.com', '/fine'),
    await status(istio, 'wrong.wild.example.com', '/weights'),
    await status(istio, 'shop.example.com', '/shop'),
    await overTls(istio, 'shop.example.com', '/shop'),
  ]
  await eventually('all that is well', async () => `${await answers()}` === '200,200,200,200')
  expect(await status(istio, 'wrong.wild.example.com', '/aaa')).toBe(404)
  for (const name of ['expired', 'early', 'mixed', 'garbled'])
    expect([name, typeof (await overTls(istio, `${name}.example.com`, '/shop'))]).toEqual([name, 'string'])
  expect(await converse(istio, 9000, 'hello')).toContain('hello')
  expect(mesh.nacks).toEqual([])
  // Well again, one of them is served.
  mesh.apply(tlsSecret('mixed-up', certificate))
  await eventually('the certificate', async () =>
    /altnames|ERR_TLS|Hostname/i.test(`${await overTls(istio, 'mixed.example.com', '/')}`),
  )
  mesh.remove(wrong)
  await eventually('them to be gone', async () => (await status(istio, 'wrong.wild.example.com', '/fine')) === 404)
  expect(await overTls(istio, 'shop.example.com', '/shop')).toBe(200)
})

test('a route that Envoy would refuse does not keep the others of its gateway from changing', async () => {
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: broken }
spec:
  hosts: [broken.wild.example.com]
  gateways: [public]
  http:
  - match: [{ uri: { regex: '/(unclosed' } }]
    route: [{ destination: { host: shop, port: { number: 8000 } } }]
  - match: [{ uri: { prefix: /groups } }]
    rewrite: { uriRegexRewrite: { match: '/(a)', rewrite: '/\\2' } }
    route: [{ destination: { host: shop, port: { number: 8000 } } }]
  - match: [{ uri: { prefix: /header } }]
    headers: { request: { set: { x-two: "li\\nes" } } }
    route: [{ destination: { host: shop, port: { number: 8000 } } }]
  - match: [{ uri: { prefix: /fine } }]
    route: [{ destination: { host: shop, port: { number: 8000 } } }]`)
  const answer = (path: string) => status(istio, 'broken.wild.example.com', path)
  await eventually('the routes that are fine', async () => (await answer('/fine')) === 200)
  const answers = ['/(unclosed', '/groups', '/header'].map(answer)
  expect(await Promise.all(answers)).toEqual([404, 500, 500])
  expect(mesh.nacks).toEqual([])
})

describe('a Gateway of Gateway API', () => {
  test.each([
    ['whatever.example.com', '/x', 200],
    ['a.special.example.com', '/shop/x', 200],
    ['a.special.example.com', '/shopping', 404],
    ['a.special.example.com', '/x', 404],
  ])('answers http://%s%s with %i', async (host, path, expected) => {
    expect(await status(api, host, path)).toBe(expected)
  })

  test('ends TLS with a certificate that a ReferenceGrant lets it use', async () => {
    await eventually('the listener', async () => (await overTls(api, 'shop.example.com', '/shop')) === 200)
    expect(await overTls(api, 'shop.example.com', '/x')).toBe(404)
    const [grant = ''] = API.split('---').filter((text) => text.includes('ReferenceGrant'))
    mesh.remove(grant)
    await eventually('the listener to be gone', async () => (await overTls(api, 'shop.example.com', '/shop')) !== 200)
    mesh.apply(grant)
  })

  test('passes bytes on', async () => {
    expect(await converse(api, 9000, 'hello')).toBe('shop-0\nhello\n')
  })

  test('passes datagrams on, those of one client to one server, at a port that connections have, too', async () => {
    await eventually('the datagrams to be answered', async () => {
      const heard = await datagrams(api, 9000, ['a', 'b', 'c'])
      expect(new Set(heard.map((text) => text.split(' ')[0])).size).toBe(1)
      return heard.map((text) => text.split(' ')[1]).join('') === 'abc'
    })
    await eventually('the other server to be chosen', async () => {
      const heard = await Promise.all(Array.from({ length: 8 }, () => datagrams(api, 9000, ['a'])))
      return new Set(heard.flat()).size === 2
    })
  })

  test.each(['cookie', 'header'])('keeps the session that a %s names', async (kind) => {
    const get = (headers: Readonly<Record<string, string>> = {}) =>
      askDirectly(api, 8080, `/${kind}`, { host: 'basket.example.com', ...headers })
    const first = await get()
    expect(first.status).toBe(200)
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    if (kind === 'cookie') expect(cookie).toMatch(/^basket=.*; Max-Age=3600; Path=\/; HttpOnly/)
    const named: Readonly<Record<string, string>> =
      kind === 'cookie' ? { cookie: cookie.split(';')[0] ?? '' } : { 'x-basket': `${first.headers['x-basket']}` }
    const pods = await Promise.all(Array.from({ length: 20 }, async () => (await get(named)).seen?.pod))
    expect(new Set(pods)).toEqual(new Set([first.seen?.pod]))
    const others = await Promise.all(Array.from({ length: 20 }, async () => (await get()).seen?.pod))
    expect(new Set(others).size).toBe(2)
  })

  test.each(['targetRef', 'targetRefs'])('has the policies that name it by %s', async (by) => {
    mesh.shows('AuthorizationPolicy', 'targetRef.group', 'targetRef.kind', 'targetRef.name', 'targetRef.namespace')
    mesh.shows('AuthorizationPolicy', 'targetRefs.group', 'targetRefs.kind', 'targetRefs.name', 'targetRefs.namespace')
    mesh.shows('RequestAuthentication', 'targetRef.group', 'targetRef.kind', 'targetRef.name', 'targetRef.namespace')
    mesh.shows(
      'RequestAuthentication',
      'targetRefs.group',
      'targetRefs.kind',
      'targetRefs.name',
      'targetRefs.namespace',
    )
    const target = (name: string) => {
      const reference = `{ group: gateway.networking.k8s.io, kind: Gateway, name: ${name}, namespace: default }`
      return `${by}: ${by === 'targetRef' ? reference : `[${reference}]`}`
    }
    const policies = (name: string, path: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name} }
spec: { ${target(name)}, action: DENY, rules: [{ to: [{ operation: { paths: [${path}] } }] }] }
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ${name} }
spec: { ${target(name)}, jwtRules: [{ issuer: ours, jwks: '{"keys":[]}', fromHeaders: [{ name: x-token-${name} }] }] }`
    const both = `${policies('web', '/denied')}\n---${policies('another', '/denied-elsewhere')}`
    const get = async (path: string, headers: Record<string, string> = {}) =>
      (await askDirectly(api, 8080, path, { host: 'whatever.example.com', ...headers })).status
    mesh.apply(both)
    await eventually('its policy', async () => (await get('/denied')) === 403)
    await eventually('its rule for tokens', async () => (await get('/x', { 'x-token-web': 'none' })) === 401)
    expect([await get('/denied-elsewhere'), await get('/x', { 'x-token-another': 'none' })]).toEqual([200, 200])
    mesh.remove(both)
    await eventually('them to be gone', async () => (await get('/denied', { 'x-token-web': 'none' })) === 200)
  })

  test('has the EnvoyFilters that name it', async () => {
    mesh.shows('EnvoyFilter', 'targetRefs.group', 'targetRefs.kind', 'targetRefs.name', 'targetRefs.namespace')
    const filter = (name: string) => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: for-${name} }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: ${name}, namespace: default }]
  configPatches:
    - applyTo: VIRTUAL_HOST
      patch: { operation: MERGE, value: { response_headers_to_add: [{ header: { key: x-for, value: ${name} } }] } }`
    const both = `${filter('another')}\n---${filter('web')}`
    mesh.apply(both)
    const told = async () => (await askDirectly(api, 8080, '/', { host: 'whatever.example.com' })).headers['x-for']
    await eventually('the header', async () => (await told()) === 'web')
    mesh.remove(both)
    await eventually('no header', async () => (await told()) === undefined)
  })

  test('asks the authorizers of rules that name one, and nobody about others', async () => {
    const asked: IncomingMessage[] = []
    const judge = await testPod({
      name: 'judge',
      labels: { app: 'judge' },
      proxy: false,
      serves: { judge: { http: 8000, grpc: 9000 } },
    })
    stops.push(await httpAuthorizer(judge.address, 8000, asked))
    stops.push(await grpcAuthorizer(judge.address, 9000, '/grpc/ok', 'nobody'))
    const rule = (name: string, config: string) => `
  - matches: [{ path: { value: /${name} } }]
    filters: [{ type: ExternalAuth, externalAuth: { ${config} } }]
    backendRefs: [{ name: shop, port: 8000 }]`
    const overHttp = 'protocol: HTTP, backendRef: { name: judge, port: 8000 }'
    const some = 'http: { path: /check, allowedHeaders: [X-Pass], allowedResponseHeaders: [X-Judge] }'
    mesh.apply(
      judge.yaml,
      `
apiVersion: v1
kind: Service
metadata: { name: judge }
spec: { selector: { app: judge }, ports: [{ name: http, port: 8000 }, { name: grpc, port: 9000 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: judged }
spec:
  parentRefs: [{ name: web, sectionName: any }]
  hostnames: [judged.example.com]
  rules:${rule('http', `${overHttp}, ${some}, forwardBody: { maxSize: 8 }`)}${rule('all', `${overHttp}, http: { allowedHeaders: [x-pass] }`)}
${rule('grpc', 'protocol: GRPC, backendRef: { name: judge, port: 9000 }, grpc: {}')}${rule('gone', 'protocol: HTTP, backendRef: { name: nobody, port: 1 }, http: {}')}
  - backendRefs: [{ name: shop, port: 8000 }]`,
    )
    const get = (path: string, headers: Record<string, string> = {}) =>
      askDirectly(api, 8080, path, { host: 'judged.example.com', ...headers })
    await eventually('the authorizer to be asked', async () => (await get('/http')).status === 418)
    asked.length = 0
    const refused = await get('/http/a?b=c', { 'x-own': 'private', authorization: 'mine' })
    expect([refused.status, refused.text]).toEqual([418, 'no'])
    const [{ url, method, headers } = { url: '', method: '', headers: {} as IncomingMessage['headers'] }] = asked
    expect({ url, method, own: headers['x-own'], authorization: headers['authorization'] }).toEqual({
      url: '/check/http/a?b=c',
      method: 'GET',
      own: undefined,
      authorization: 'mine',
    })
    const allowed = await get('/http', { 'x-pass': 'yes' })
    expect([allowed.status, allowed.seen?.headers['x-judge'], allowed.seen?.headers['x-secret']]).toEqual([
      200,
      'http',
      undefined,
    ])
    const all = await get('/all', { 'x-pass': 'yes' })
    expect([all.status, all.seen?.headers['x-judge'], all.seen?.headers['x-secret']]).toEqual([200, 'http', 'kept'])
    expect([(await get('/grpc/ok')).status, (await get('/grpc')).status, (await get('/gone')).status]).toEqual([
      200, 403, 500,
    ])
    const before = asked.length
    expect((await get('/else')).status).toBe(200)
    expect(asked.length).toBe(before)
  })

  test('begins no session where the route asks for none', async () => {
    const { headers } = await askDirectly(api, 8080, '/', { host: 'basket.example.com' })
    expect(headers['set-cookie']).toBeUndefined()
    expect(headers['x-basket']).toBeUndefined()
  })
})
