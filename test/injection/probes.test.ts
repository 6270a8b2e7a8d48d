import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { canRedirect } from '../capture/redirected-pods.ts'
import { checkout } from '../cli/weft.ts'
import { eventually } from '../eventually.ts'
import { withoutNoCode } from '../translate/no-code.ts'
import { InjectedPod, IPV6 } from './injected-pod.ts'

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec:
  containers:
    - name: web
      image: example.com/web:1
      ports: [{ name: http, containerPort: 8080 }]
      livenessProbe: { httpGet: { path: "/echo/$(POD_IP)?full=1", port: http, httpHeaders: [{ name: Host, value: web.example.com }, { name: X-Probe, value: yes }] } }
      readinessProbe: { httpGet: { path: /echo, port: 8080 }, timeoutSeconds: 2 }
      startupProbe: { httpGet: { path: /secure, port: 8443, scheme: HTTPS } }
      lifecycle: { preStop: { httpGet: { path: /moved, port: http } } }
    - name: silent
      image: example.com/silent:1
      livenessProbe: { tcpSocket: { port: 9000 } }
      readinessProbe: { tcpSocket: { port: 9001 } }
    - name: grpc
      image: example.com/grpc:1
      livenessProbe: { grpc: { port: 9090 } }
      readinessProbe: { grpc: { port: 9090, service: shop.${'Orders'.repeat(40)} } }
      startupProbe: { grpc: { port: 9090, service: shop.Closed } }
      lifecycle: { preStop: { tcpSocket: { port: 9000 } } }
    - name: absent
      image: example.com/absent:1
      livenessProbe: { httpGet: { path: /, port: 9999 } }
      readinessProbe: { grpc: { port: 9999 } }
      startupProbe: { httpGet: { path: /slow, port: 8080 } }
`

const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`

/** HTTP and HTTPS that tell what came; a port that takes connections and says and does nothing; gRPC's health service. */
const application = ({ certificate, key }: { certificate: string; key: string }) => `
const answer = (q, a) => {
  if (q.url === '/slow') return
  if (q.url === '/moved') return a.writeHead(302, { location: '/elsewhere' }).end('moved')
  a.end(JSON.stringify({ url: q.url, headers: q.headers, from: q.socket.remoteAddress }))
}
require('http').createServer(answer).listen(8080, '::', () =>
require('https').createServer(${JSON.stringify({ cert: certificate, key })}, answer).listen(8443, '::', () =>
require('net').createServer({ allowHalfOpen: true }, s => s.on('error', () => {}).on('data', d => console.error('unexpected:', String(d)))).listen(9000, '::', () => {
  const { Server, ServerCredentials } = require(${JSON.stringify(`${checkout}node_modules/@grpc/grpc-js`)})
  const server = new Server()
  const pass = b => b
  server.addService({ check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false,
    requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass } }, {
    check: ({ request }, reply) => {
      const service = String(request.subarray(request.length < 128 ? 2 : 3))
      if (service === '' || service === 'shop.${'Orders'.repeat(40)}') return reply(null, Buffer.from([8, 1]))
      if (service === 'shop.Closed') return reply(null, Buffer.from([8, 2]))
      reply({ code: 5, details: 'unknown service' })
    } })
  server.bindAsync('[::]:9090', ServerCredentials.createInsecure(), () => console.log('ready'))
})))`

describe.skipIf(!isPossible)('an injected pod with an address of IPv6 alone', () => {
  const pod = new InjectedPod(POD, STRICT, IPV6)

  beforeAll(async () => {
    await pod.start()
    await pod.application(application(await selfSigned('web')))
    await pod.startAgent()
  })
  afterAll(() => pod.stop())

  test('is asked there, and asks its application there', async () => {
    await eventually('the proxy to be ready', async () => (await pod.ask(':15021/healthz/ready')).status === 200)
    expect(await pod.ask(':8080/echo')).toEqual({ status: 'ECONNRESET', body: '' })
    const { status, body } = await pod.ask(':15020/app-health/web/readyz')
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ headers: { host: '[fd00:78::1]:8080' }, from: '::6' })
    expect((await pod.ask(':15090/stats/prometheus')).body).toContain('envoy_server_live{} 1')
  })
})

describe.skipIf(!isPossible)('an injected pod under STRICT', () => {
  const pod = new InjectedPod(POD, STRICT)
  const probe = (path: string, options?: object) => pod.ask(`:15020/app-health/${path}`, options)

  beforeAll(async () => {
    const tls = await selfSigned('web')
    await pod.start()
    await pod.application(application(tls))
  })
  afterAll(() => pod.stop())

  test('is not ready before its agent has answered, and says who it is by its token', async () => {
    await eventually('the proxy to run', async () => (await pod.admin('/ready')).body.includes('PRE_INITIALIZING'))
    expect((await pod.ask(':15021/healthz/ready')).status).not.toBe(200)
    await pod.startAgent()
    await eventually('the proxy to be ready', async () => (await pod.ask(':15021/healthz/ready')).status === 200)
    expect(pod.tokens).toEqual(['Bearer first'])
  })

  test('refuses who is not in the mesh', async () => {
    expect(await pod.ask(':8080/echo')).toEqual({ status: 'ECONNRESET', body: '' })
  })

  test('lets a kubelet ask by HTTP, as it would have asked the application', async () => {
    const headers = { host: 'web.example.com', 'x-probe': 'yes', 'user-agent': 'kube-probe/1.36' }
    const { status, body } = await probe('web/livez?full=1', { headers })
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({
      url: '/echo/$(POD_IP)?full=1',
      headers,
      from: '::ffff:127.0.0.6',
    })
  })

  test('gives the application its own address as the host, where the probe names none', async () => {
    const { body } = await probe('web/readyz')
    expect(JSON.parse(body).headers.host).toBe('10.78.0.1:8080')
  })

  test.each([
    ['HTTPS, whatever the certificate', 'web/startupz', 200],
    ['a redirect, which is a success', 'web/prestopz', 302],
    ['a port that takes connections, and says nothing', 'silent/livez', 200],
    ['the same for a hook', 'grpc/prestopz', 200],
    ['a port that nobody listens at', 'silent/readyz', 503],
    ['gRPC, as a whole', 'grpc/livez', 200],
    ['gRPC, a service with a long name', 'grpc/readyz', 200],
    ['gRPC, a service that is not serving', 'grpc/startupz', 503],
    ['HTTP where nobody listens', 'absent/livez', 503],
    ['gRPC where nobody listens', 'absent/readyz', 503],
    ['an application that does not answer in time', 'absent/startupz', 504],
    ['no probe', 'web/poststartz', 404],
    ['another path of the application', 'web/livez/../secret', 404],
  ])('%s', async (_, path, status) => {
    expect((await probe(path)).status).toBe(status)
  })

  test('shows its figures, and nothing else of its administration', async () => {
    expect((await pod.ask(':15090/stats/prometheus')).body).toContain('envoy_server_live{} 1')
    for (const [url, method] of [
      [':15090/config_dump', 'GET'],
      [':15021/quitquitquit', 'POST'],
      [':15021/stats', 'GET'],
    ] as const)
      expect({ url, ...(await pod.ask(url, { method })) }).toMatchObject({ url, status: 404 })
    expect((await pod.ask(':15000/ready')).status).not.toBe(200)
  })

  test('does what scripts in pods want of a proxy: waiting for it, and ending it', async () => {
    // curl -fsI http://localhost:15021/healthz/ready
    expect(await pod.ask(':15021/healthz/ready', { method: 'HEAD' })).toMatchObject({ status: 200 })
    expect(await pod.ask(':15020/quitquitquit', { method: 'POST' })).toMatchObject({ status: 200 })
    expect((await pod.admin('/ready')).body).toBe('LIVE\n')
  })

  test('comes back to its agent with the token of then, and goes on meanwhile', async () => {
    await pod.stopAgent()
    pod.writeIdentity('second', 'old')
    expect((await probe('web/readyz')).status).toBe(200)
    await pod.startAgent()
    // It asks again every three seconds at least.
    await eventually('the proxy to come back', () => pod.tokens.includes('Bearer second'), 30_000)
    expect((await pod.ask(':15021/healthz/ready')).status).toBe(200)
  })

  test('knows its agent by new roots without having been started anew', async () => {
    pod.writeIdentity('third', 'both')
    await pod.stopAgent()
    await pod.startAgent('new')
    await eventually('the proxy to come back', () => pod.tokens.includes('Bearer third'), 30_000)
    pod.writeIdentity('fourth', 'new')
    await pod.stopAgent()
    await pod.startAgent('new')
    await eventually('the proxy to come back', () => pod.tokens.includes('Bearer fourth'), 30_000)
  })

  test('does not talk to an agent that others vouch for', async () => {
    const refusals = () => pod.log.match(/CERTIFICATE_VERIFY_FAILED/g)?.length ?? 0
    const before = refusals()
    await pod.stopAgent()
    await pod.startAgent('old')
    await eventually('the proxy to refuse', () => refusals() > before)
    expect(pod.tokens.at(-1)).toBe('Bearer fourth')
  })

  test('its Envoy has nothing to complain about', () => {
    const lines = withoutNoCode(pod.log)
      .split('\n')
      .filter((line) => /\]\[(warning|error|critical)\]/.test(line))
    expect(
      lines.filter((line) => !/gRPC config stream|StreamAggregatedResources|DeltaAggregatedResources/.test(line)),
    ).toEqual([])
  })
})
