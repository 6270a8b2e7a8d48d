// Istio's published samples, applied unchanged to one mesh: each does what its README, or the task on istio.io that uses it, says. What came of the others is
// told in docs/reference/istio-samples.md: jwt-server, mtls-echo and rate-limit-service want volumes, health-check a kubelet, and external the internet.
import { existsSync, readFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkout, get, startMesh, type TestMesh, until } from './mesh.ts'

const SAMPLES = join(checkout, '../shared/corpus/istio-samples')
const PRESENT = existsSync(SAMPLES)
if (!PRESENT) console.warn(`skipped, as Istio's samples are not at ${SAMPLES}`)

const TCP_PORT = 31400
const HTTP_PROXY_PORT = 15001

/** As the task "External Authorization" has it, and an echo that is rate-limited as productpage. */
const MESH_CONFIG = `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    extensionProviders:
    - name: sample-ext-authz-grpc
      envoyExtAuthzGrpc: { service: ext-authz.default.svc.cluster.local, port: 9000 }
    - name: sample-ext-authz-http
      envoyExtAuthzHttp:
        service: ext-authz.default.svc.cluster.local
        port: 8000
        includeRequestHeadersInCheck: [x-ext-authz]
        headersToUpstreamOnAllow: [x-ext-authz-check-result]
`
const LIMITED = `
apiVersion: v1
kind: Service
metadata: { name: productpage }
spec: { selector: { app: productpage }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: productpage }
spec:
  selector: { matchLabels: { app: productpage } }
  template:
    metadata: { labels: { app: productpage } }
    spec:
      containers: [{ name: app, image: registry.istio.io/testing/app, args: [--port, "8000"], ports: [{ containerPort: 8000 }] }]
`

describe.skipIf(!PRESENT)("Istio's published samples", () => {
  let mesh: TestMesh
  let address: string
  let httpPort: number
  let curl: string

  beforeAll(async () => {
    const files = [
      'helloworld/helloworld.yaml',
      'helloworld/helloworld-gateway.yaml',
      'tcp-echo/tcp-echo-services.yaml',
      'httpbin/httpbin.yaml',
      'curl/curl.yaml',
      'extauthz/ext-authz.yaml',
      'websockets/app.yaml',
      'grpc-echo/grpc-echo.yaml',
      'ratelimit/local-rate-limit-service.yaml',
    ]
    mesh = await startMesh({
      files: files.map((file) => join(SAMPLES, file)),
      texts: {
        ...Object.fromEntries(documents('tcp-echo/tcp-echo-all-v1.yaml')),
        'mesh-config.yaml': MESH_CONFIG,
        'limited.yaml': LIMITED,
      },
    })
    curl = (await mesh.pod('curl-0')).plan.address
    const { plan } = await mesh.pod('istio-ingressgateway-0')
    address = plan.address
    httpPort = plan.listens.find((port) => port !== TCP_PORT) ?? 0
  })
  afterAll(() => mesh?.dispose())

  /** Each object of a file by the name of a file of its own, as kubectl would replace one with another of its kind. */
  const documents = (file: string) =>
    readFileSync(join(SAMPLES, file), 'utf8')
      .split(/^---$/m)
      .flatMap((written): (readonly [string, string])[] => {
        const kind = /^kind: (\w+)$/m.exec(written)?.[1]
        return kind ? [[`tcp-echo-${kind.toLowerCase()}.yaml`, written]] : []
      })

  /** What the TCP echo answers to a line. */
  const say = (line: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(TCP_PORT, address, () => socket.write(`${line}\n`))
      socket.setTimeout(30_000, () => socket.destroy(new Error('no answer within 30 s')))
      socket.on('error', reject)
      socket.once('data', (data) => {
        resolve(data.toString().trim())
        socket.destroy()
      })
    })

  test('helloworld answers with both of its versions, and nothing but /hello', async () => {
    const versions = new Set<string | undefined>()
    await until(30_000, async () => {
      const { status, body } = await get(`http://${address}:${httpPort}/hello`)
      if (status === 200) versions.add(/^Hello version: (v\d), instance: helloworld-v\d/.exec(body)?.[1])
      return versions.size === 2
    })
    expect(versions).toEqual(new Set(['v1', 'v2']))
    expect((await get(`http://${address}:${httpPort}/`)).status).toBe(404)
  })

  test('tcp-echo goes to version 1, and then one connection in five to version 2', async () => {
    const prefixes = async (count: number) => {
      const answers: string[] = []
      for (let i = 0; i < count; i++) answers.push(await say(`hello ${i}`))
      return answers.map((answer) => answer.split(' ')[0])
    }
    expect(new Set(await prefixes(20))).toEqual(new Set(['one']))
    for (const [name, written] of documents('tcp-echo/tcp-echo-20-v2.yaml')) await mesh.write(name, written)
    const shared = await prefixes(200)
    const second = shared.filter((prefix) => prefix === 'two').length
    // 40 are expected; outside of 12..75 is less likely than one in a million.
    expect(second).toBeGreaterThan(12)
    expect(second).toBeLessThan(75)
    expect(shared.filter((prefix) => prefix === 'one').length).toBe(200 - second)
  })

  /** What `curl` in the pod of that name gets. */
  const fromCurl = (url: string, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; body: string; headers: IncomingHttpHeaders }>((resolve, reject) => {
      const named = { host: new URL(url).host, ...headers }
      const outgoing = request(
        { host: curl, port: HTTP_PROXY_PORT, path: url, headers: named, agent: false },
        (answer) => {
          text(answer).then(
            (body) => resolve({ status: answer.statusCode ?? 0, body, headers: answer.headers }),
            reject,
          )
        },
      )
      outgoing.on('error', reject)
      outgoing.end()
    })
  const sample = (file: string) => readFileSync(join(SAMPLES, file), 'utf8')

  test('httpbin is called by curl, and by the gateways of both APIs', async () => {
    const { status, body } = await fromCurl('http://httpbin.default:8000/headers')
    expect(status).toBe(200)
    const { headers } = JSON.parse(body) as { headers: Record<string, string[]> }
    expect(headers['X-Forwarded-Client-Cert']?.[0]).toContain('URI=spiffe://cluster.local/ns/default/sa/curl')
    await mesh.write('httpbin-gateway.yaml', sample('httpbin/httpbin-gateway.yaml'))
    const byIstio = `http://${address}:${httpPort}`
    expect((await get(`${byIstio}/status/418`)).status).toBe(418)
    await mesh.remove('httpbin-gateway.yaml')
    expect((await get(`${byIstio}/status/418`)).status).toBe(404)
    await mesh.write('httpbin-gateway-api.yaml', sample('httpbin/gateway-api/httpbin-gateway.yaml'))
    await until(60_000, async () => {
      const { plan } = await mesh.pod('httpbin-gateway-istio-0')
      return (await get(`http://${plan.address}:${plan.listens[0]}/status/418`)).status === 418
    })
  })

  test.each(['http', 'grpc'])('ext-authz is asked over %s about what a policy says', async (over) => {
    // The policy of the task "External Authorization", for the path /headers.
    await mesh.write(
      'ext-authz-policy.yaml',
      `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ext-authz }
spec:
  selector: { matchLabels: { app: httpbin } }
  action: CUSTOM
  provider: { name: sample-ext-authz-${over} }
  rules: [{ to: [{ operation: { paths: [/headers] } }] }]`,
    )
    const asked = async (path: string, header: string) =>
      fromCurl(`http://httpbin:8000${path}`, { 'x-ext-authz': header })
    await until(30_000, async () => (await asked('/headers', 'deny')).status === 403)
    const denied = await asked('/headers', 'deny')
    if (over === 'http') expect(denied.body).toContain('denied by ext_authz for not found header `x-ext-authz: allow`')
    const allowed = await asked('/headers', 'allow')
    expect(allowed.status).toBe(200)
    if (over === 'http') expect(allowed.body).toContain('"X-Ext-Authz-Check-Result":["allowed"]')
    expect((await asked('/ip', 'deny')).status).toBe(200)
    await mesh.remove('ext-authz-policy.yaml')
    await until(30_000, async () => (await asked('/headers', 'deny')).status === 200)
  })

  test('websockets: whoever listens is told of a change that somebody makes', async () => {
    await mesh.write('websockets.yaml', sample('websockets/route.yaml'))
    const at = `${address}:${httpPort}`
    await until(30_000, async () => (await get(`http://${at}/`)).status === 200)
    const socket = new WebSocket(`ws://${at}/ws`)
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve()
      socket.onerror = () => reject(new Error('the WebSocket does not open'))
    })
    const told = new Promise<unknown>((resolve) => {
      socket.onmessage = ({ data }) => resolve(JSON.parse(String(data)))
    })
    expect((await get(`http://${at}/api?id=8&value=300`)).status).toBe(200)
    expect(await told).toEqual({ id: '8', value: '300' })
    socket.close()
    await mesh.remove('websockets.yaml')
  })

  test('grpc-echo answers with both of its versions, and shifts by weights', async () => {
    const client = new Client(`${curl}:${HTTP_PROXY_PORT}`, credentials.createInsecure(), {
      'grpc.default_authority': 'echo.echo-grpc:7070',
    })
    const same = (bytes: Buffer) => bytes
    const echo = () =>
      new Promise<string>((resolve, reject) => {
        const options = { deadline: Date.now() + 30_000 }
        const answer = (error: Error | null, bytes?: Buffer) => (error ? reject(error) : resolve(String(bytes)))
        client.makeUnaryRequest('/proto.EchoTestService/Echo', same, same, Buffer.of(), options, answer)
      })
    const versions = async (count: number) => {
      const answers: (string | undefined)[] = []
      for (let i = 0; i < count; i++) answers.push(/ServiceVersion=(v\d)/.exec(await echo())?.[1])
      return new Set(answers)
    }
    await until(30_000, async () => (await versions(10)).size === 2)
    // As the README has it, but all to one.
    await mesh.write(
      'grpc-echo-shift.yaml',
      `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo-versions, namespace: echo-grpc }
spec: { host: echo, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo-weights, namespace: echo-grpc }
spec:
  hosts: [echo.echo-grpc.svc.cluster.local]
  http: [{ route: [{ destination: { host: echo, subset: v1 }, weight: 0 }, { destination: { host: echo, subset: v2 }, weight: 100 }] }]`,
    )
    await until(30_000, async () => (await versions(10)).has('v1') === false)
    expect(await versions(20)).toEqual(new Set(['v2']))
    client.close()
  })

  test('ratelimit: of one path, ten requests a minute are let in', async () => {
    const answers: { status: number; headers: IncomingHttpHeaders }[] = []
    for (let i = 0; i < 15; i++) answers.push(await fromCurl('http://productpage:8000/productpage'))
    expect(answers.slice(0, 10).map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(2)
    expect(answers.at(-1)?.headers['x-local-rate-limit']).toBe('true')
    expect((await fromCurl('http://productpage:8000/else')).status).toBe(200)
  })
})
