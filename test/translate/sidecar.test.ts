import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import {
  ask,
  askDirectly,
  converse,
  greeting,
  httpApplication,
  type TestPod,
  tcpApplication,
  testPod,
} from './test-pods.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  clusterIP: 10.96.0.7
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: http-alt, port: 8081, targetPort: 8080 }]
---
apiVersion: v1
kind: Service
metadata: { name: db, annotations: { weft.dev/local-port.3306: "20001" } }
spec: { selector: { app: db }, ports: [{ name: tcp, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: plain }
spec: { selector: { app: plain }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: guess, annotations: { weft.dev/local-port.7000: "20002" } }
spec: { selector: { app: guess }, ports: [{ name: any, port: 7000 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wild }
spec:
  hosts: ["*.example.com"]
  http: [{ route: [{ destination: { host: web, port: { number: 80 } } }] }]
`

const strict = (mode: string, rest = '') => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: web }
spec: { selector: { matchLabels: { app: web } }, mtls: { mode: ${mode} } ${rest} }
`

let mesh: MeshOfEnvoys
let client: TestPod
let web: TestPod
let db: TestPod
let plain: TestPod
let guess: TestPod
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves: { web: { http: 8080, 'http-alt': 8080 } } })
  db = await testPod({ name: 'db-0', labels: { app: 'db' }, serves: { db: { tcp: 3306 } } })
  plain = await testPod({ name: 'plain-0', labels: { app: 'plain' }, proxy: false, serves: { plain: { http: 8080 } } })
  guess = await testPod({ name: 'guess-0', labels: { app: 'guess' }, serves: { guess: { any: 7000 } } })
  stops.push(await httpApplication(web, 8080), await tcpApplication(db, 3306), await httpApplication(plain, 8080))
  stops.push(await httpApplication(guess, 7000))
  mesh.apply(SERVICES, client.yaml, web.yaml, db.yaml, plain.yaml, guess.yaml)
  await mesh.startProxies()
})
afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
})

test('nothing that we make is refused by Envoy', () => {
  expect(mesh.nacks).toEqual([])
})

test.each([
  'http://web/a',
  'http://web:80/a',
  'http://web:8081/a',
  'http://web.default/a',
  'http://web.default.svc/a',
  'http://web.default.svc.cluster.local:80/a',
  'http://web.default.svc.cluster.local./a',
  'http://10.96.0.7/a',
])('%s reaches the service', async (url) => {
  const { status, seen } = await ask(client, url)
  expect({ status, pod: seen?.pod, path: seen?.path }).toEqual({ status: 200, pod: 'web-0', path: '/a' })
})

test('a host is the same in capitals', async () => {
  expect((await ask(client, 'http://web/a', { headers: { host: 'WEB' } })).status).toBe(200)
})

test('a wildcard host is routed, with the body of its first request', async () => {
  const { status, seen } = await ask(client, 'http://a.example.com/form', { method: 'POST', body: 'hello' })
  expect({ status, body: seen?.body }).toEqual({ status: 200, body: 'hello' })
})

test('a host that nothing is known of is refused by name', async () => {
  const { status, text } = await ask(client, 'http://nowhere.invalid:81/')
  expect(status).toBe(502)
  expect(text).toContain('nowhere.invalid:81')
})

test('a client can neither choose its routes by our private header nor see it sent on', async () => {
  const { status, seen } = await ask(client, 'http://web/', { headers: { 'x-weft-scope': 'db' } })
  expect({ status, pod: seen?.pod, header: seen?.headers['x-weft-scope'] }).toEqual({
    status: 200,
    pod: 'web-0',
    header: undefined,
  })
  expect((await ask(client, 'http://a.example.com/')).seen?.headers['x-weft-scope']).toBeUndefined()
})

test('calls between proxies are mesh mTLS, and the application is told who calls', async () => {
  const { seen } = await ask(client, 'http://web/')
  expect(seen?.headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/default/sa/client')
  const stats = await mesh.admin('web-0', '/stats?filter=listener.*ssl.handshake')
  expect(stats).toMatch(/ssl\.handshake: [1-9]/)
})

test('a pod without a proxy is called in plaintext, and may call others that are PERMISSIVE', async () => {
  expect((await ask(client, 'http://plain:8080/')).seen?.pod).toBe('plain-0')
  const { status, seen } = await askDirectly(web.address, 8080)
  expect({ status, cert: seen?.headers['x-forwarded-client-cert'] }).toEqual({ status: 200, cert: undefined })
})

test('a server that speaks first is heard, through mesh mTLS and in plaintext', async () => {
  await expect(greeting(client.address, 20001)).resolves.toBe('db-0\n')
  await expect(greeting(db.address, 3306)).resolves.toBe('db-0\n')
  await expect(converse(client.address, 20001, 'hello')).resolves.toBe('db-0\nhello\n')
})

test('what goes over a port that tells no protocol is found out', async () => {
  expect((await askDirectly(guess.address, 7000)).headers['x-envoy-upstream-service-time']).toBeDefined()
  expect((await askDirectly(client.address, 20002)).seen?.pod).toBe('guess-0')
  expect((await ask(client, 'http://guess:7000/')).seen?.pod).toBe('guess-0')
})

test('STRICT refuses plaintext and certificates of others, and serves the mesh; DISABLE serves plaintext only', async () => {
  mesh.shows('PeerAuthentication', 'mtls.mode', 'portLevelMtls.*.mode', 'selector.matchLabels.*')
  mesh.apply(strict('STRICT'))
  await eventually('plaintext to be refused', () =>
    askDirectly(web.address, 8080).then(
      () => false,
      () => true,
    ),
  )
  expect((await ask(client, 'http://web/')).status).toBe(200)

  const own = await mesh.certificate('spiffe://cluster.local/ns/default/sa/elsewhere')
  await expect(overTls({ ...own })).resolves.toContain('HTTP/1.1 200')
  await expect(overTls({ ca: own.ca })).resolves.toBe('')
  const stranger = await MeshOfEnvoys.start()
  const { key, cert } = await stranger.certificate('spiffe://cluster.local/ns/default/sa/client')
  await stranger.stop()
  await expect(overTls({ key, cert, ca: own.ca })).resolves.toBe('')

  mesh.apply(strict('DISABLE'))
  await eventually('plaintext to be served', () =>
    askDirectly(web.address, 8080).then(
      () => true,
      () => false,
    ),
  )
  await eventually('the client to call in plaintext', async () => {
    const { seen } = await ask(client, 'http://web/')
    return seen !== undefined && seen.headers['x-forwarded-client-cert'] === undefined
  })
  mesh.apply(strict('STRICT', ', portLevelMtls: { 8080: { mode: PERMISSIVE } }'))
  await eventually('mTLS to be back', async () => {
    const { seen } = await ask(client, 'http://web/')
    return seen?.headers['x-forwarded-client-cert'] !== undefined
  })
  expect((await askDirectly(web.address, 8080)).status).toBe(200)
  mesh.remove(strict('STRICT'))
})

/** What comes back on a request over TLS, '' where nothing does. */
function overTls(options: { key?: string; cert?: string; ca: string }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: web.address, port: 8080, ...options, checkServerIdentity: () => undefined })
    let heard = ''
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n'))
    socket.on('data', (data) => {
      heard += data
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(heard))
  })
}

test('connections of the mesh outlive STRICT being turned on and off', async () => {
  const stat = async (name: string) =>
    Number(/: (\d+)\s*$/.exec(await mesh.admin('web-0', `/stats?filter=^${encodeURIComponent(name)}$`))?.[1])
  const UPDATES = 'listener_manager\\.listener_in_place_updated'
  const CONNECTIONS = 'http\\.inbound\\|8080\\|\\|\\.downstream_cx_ssl_total'
  await ask(client, 'http://web/')
  const [updates, connections] = [await stat(UPDATES), await stat(CONNECTIONS)]
  expect(connections).toBeGreaterThan(0)
  for (const mode of ['STRICT', 'PERMISSIVE', 'STRICT', 'PERMISSIVE']) {
    mesh.apply(strict(mode))
    const refused = mode === 'STRICT'
    await eventually(`plaintext to be ${refused ? 'refused' : 'served'}`, () =>
      askDirectly(web.address, 8080).then(
        () => !refused,
        () => refused,
      ),
    )
    expect((await ask(client, 'http://web/')).status).toBe(200)
  }
  mesh.remove(strict('STRICT'))
  expect(await stat(UPDATES)).toBe(updates + 4)
  expect(await stat(CONNECTIONS)).toBe(connections)
})

test('endpoints come and go', async () => {
  const more = await testPod({
    name: 'web-1',
    labels: { app: 'web' },
    serves: { web: { http: 8080, 'http-alt': 8080 } },
  })
  stops.push(await httpApplication(more, 8080))
  mesh.apply(more.yaml)
  await mesh.startProxies()
  const pods = new Set<string>()
  await eventually('both pods to answer', async () => {
    const { status, seen } = await ask(client, 'http://web/')
    expect(status).toBe(200)
    if (seen) pods.add(seen.pod)
    return pods.size === 2
  })
  mesh.apply(more.yaml.replace('"ready":true', '"ready":false'))
  await eventually('one pod alone to answer', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(client, 'http://web/')))
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    return answers.every(({ seen }) => seen?.pod === 'web-0')
  })
  expect(mesh.nacks).toEqual([])
})
