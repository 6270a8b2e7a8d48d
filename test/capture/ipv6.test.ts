import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canRedirect, RedirectedPods } from './redirected-pods.ts'

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

const PODS = {
  both: ['10.77.0.1', 'fd00:77::1'],
  server: ['10.77.0.2', 'fd00:77::2'],
  outsider: ['10.77.0.3', 'fd00:77::3'],
  six: ['fd00:77::4'],
  four: ['10.77.0.5'],
  seeing: ['10.77.0.6', 'fd00:77::6'],
} as const

const pod = (name: keyof typeof PODS, annotations = '{}') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name}, security.istio.io/tlsMode: istio }, annotations: ${annotations} }
spec: { serviceAccountName: ${name}, containers: [{ name: app }] }
status: { podIP: "${PODS[name][0]}", podIPs: [${PODS[name].map((ip) => `{ ip: "${ip}" }`)}], phase: Running }
---`

const PORTS = '{ name: http, port: 8080 }, { name: tcp, port: 9306 }'

const service = (name: string, server: keyof typeof PODS, clusterIPs: readonly string[], headless = false) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec:
  clusterIP: ${headless ? 'None' : `"${clusterIPs[0]}"`}
  clusterIPs: ${headless ? '[None]' : JSON.stringify(clusterIPs)}
  selector: { app: ${server} }
  ports: [${headless ? '{ name: tcp, port: 9306 }' : PORTS}]
---${clusterIPs
  .map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'))
  .map(
    (family) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-${family.toLowerCase()}, namespace: shop, labels: { kubernetes.io/service-name: ${name} } }
addressType: ${family}
ports: [${headless ? '{ name: tcp, port: 9306 }' : PORTS}]
endpoints: [{ addresses: ["${PODS[server][family === 'IPv6' ? 1 : 0]}"], conditions: { ready: true }, targetRef: { kind: Pod, name: ${server}, namespace: shop } }]
---`,
  )
  .join('')}`

const MESH = `
${pod('both', '{ weft.dev/dns-capture: "true" }')}${pod('server')}${pod('six')}${pod('four')}
${pod('seeing', '{ sidecar.istio.io/interceptionMode: TPROXY }')}
${service('web', 'server', ['10.96.0.10', 'fd00:96::10'])}
${service('new', 'server', ['fd00:96::11'])}
${service('seen', 'seeing', ['10.96.0.12', 'fd00:96::12'])}
${service('members', 'server', ['10.0.0.0', 'fd00::'], true)}
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: elsewhere, namespace: shop }
spec:
  hosts: [elsewhere.example.com]
  resolution: STATIC
  endpoints: [{ address: "fd00:77::3" }]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: fixed, namespace: shop }
spec:
  hosts: [fixed.example.com]
  addresses: ["FD00:98:0::1"]
  resolution: STATIC
  endpoints: [{ address: 10.77.0.3 }]
  ports: [{ number: 3306, name: tcp, protocol: TCP, targetPort: 9306 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: old, namespace: shop }
spec:
  hosts: [old.example.com]
  addresses: [240.1.2.3]
  resolution: STATIC
  endpoints: [{ address: "fd00:77::3" }]
  ports: [{ number: 3306, name: tcp, protocol: TCP, targetPort: 9306 }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: guarded, namespace: shop }
spec:
  selector: { matchLabels: { app: server } }
  action: DENY
  rules: [{ from: [{ source: { ipBlocks: ["fd00:77::/64"] } }], to: [{ operation: { paths: [/guarded] } }] }]
`

/** Answers HTTP with the headers that came, and where from; speaks first on the TCP port; knows no name. */
const SERVER = `
const tcp = () => require('net').createServer(s => s.on('error', () => {}).end('hello from the database'))
require('dgram').createSocket('udp6').on('message', function (question, { port, address }) {
  this.send(Buffer.concat([question.subarray(0, 2), Buffer.from([0x81, 0x83]), question.subarray(4)]), port, address)
}).bind(53, '::')
require('http').createServer((q, a) => a.end(JSON.stringify({ from: q.socket.remoteAddress, ...q.headers })))
  .listen(8080, '::', () => tcp().listen(9306, '::', () => console.log('ready')))`

const get = (url: string, host: string) => `
require('http').get('${url}', { headers: { host: '${host}' } }, a => { let b = ''; a.on('data', d => b += d).on('end', () => console.log(a.statusCode, b)) })
  .on('error', e => console.log('error', e.code))`

const read = (port: number, address: string) => `
require('net').connect(${port}, '${address}').on('data', d => console.log(String(d))).on('error', e => console.log('error', e.code)).on('close', () => console.log('closed'))`

const resolve = (...questions: readonly (readonly [method: 'resolve4' | 'resolve6', name: string])[]) => `
const { Resolver } = require('dns').promises
const ask = async ([method, name]) => {
  const resolver = new Resolver({ timeout: 15_000, tries: 1 })
  resolver.setServers(['[fd00:77::3]'])
  return resolver[method](name).then(String, e => e.code)
}
Promise.all(${JSON.stringify(questions)}.map(ask)).then(answers => console.log(answers.join(' ')))`

const HELLO = 'hello from the database\nclosed'

describe.skipIf(!isPossible)('pods with addresses of IPv6', () => {
  const pods = new RedirectedPods()
  const run = async (pod: keyof typeof PODS, script: string) =>
    (await text(pods.application(pod, script).stdout as NodeJS.ReadableStream)).trim()

  beforeAll(async () => {
    pods.network(PODS)
    pods.apply(MESH)
    for (const pod of ['server', 'seeing', 'outsider'])
      await once(pods.application(pod, SERVER).stdout as NodeJS.ReadableStream, 'data')
    await pods.startProxies()
  }, 120_000)
  afterAll(() => pods.stop())

  test.each([
    ['both', 'http://[fd00:96::10]:8080/', 'web'],
    ['both', 'http://10.96.0.10:8080/', 'web'],
    ['both', 'http://[fd00:96::11]:8080/', 'new'],
    ['six', 'http://[fd00:96::10]:8080/', 'web'],
    ['four', 'http://10.96.0.10:8080/', 'web'],
  ] as const)('%s calls %s by mTLS', async (client, url, host) => {
    const answer = await run(client, get(url, `${host}:8080`))
    expect(answer).toMatch(/^200 /)
    expect(answer).toContain('By=spiffe://cluster.local/ns/shop/sa/server')
    expect(answer).toContain(`URI=spiffe://cluster.local/ns/shop/sa/${client}`)
  })

  test.each([
    ['both', 'fd00:96::10', 'outbound|9306||web'],
    ['six', 'fd00:96::10', 'outbound|9306||web'],
    ['both', 'fd00:77::2', 'outbound|9306|@mtls|members'],
  ] as const)('%s hears the server that speaks first at %s through mTLS', async (client, address, cluster) => {
    expect(await run(client, read(9306, address))).toBe(HELLO)
    expect(await pods.counter(client, `cluster.${cluster}.shop.svc.cluster.local.ssl.handshake`)).toBe(1)
  })

  test('STRICT refuses plaintext, at ports of services and at others', async () => {
    expect(await run('outsider', get('http://[fd00:77::2]:8080/', 'web'))).toBe('error ECONNRESET')
    expect(await run('outsider', read(9306, 'fd00:77::2'))).toBe('closed')
    expect(await run('outsider', read(9999, 'fd00:77::2'))).toBe('closed')
  })

  test('policies know ranges of addresses', async () => {
    expect(await run('six', get('http://[fd00:96::10]:8080/guarded', 'web:8080'))).toMatch(/^403 /)
    expect(await run('four', get('http://10.96.0.10:8080/guarded', 'web:8080'))).toMatch(/^200 /)
  })

  test('what the mesh does not know is called as ever', async () => {
    expect(await run('both', get('http://[fd00:77::3]:8080/', 'nobody.example.com'))).toMatch(/^200 /)
    expect(await pods.counter('both', 'cluster.PassthroughCluster.upstream_rq_total')).toBe(1)
    expect(await run('both', read(9306, 'fd00:77::3'))).toBe(HELLO)
  })

  test('a service answers the pod that serves it itself', async () => {
    const answer = await run('server', get('http://[fd00:96::11]:8080/', 'new:8080'))
    expect(answer).toMatch(/^200 /)
    expect(answer).toContain('URI=spiffe://cluster.local/ns/shop/sa/server')
    expect(answer).toContain('"from":"::6"')
  })

  test('where the application is to see its clients, it sees theirs', async () => {
    expect(await run('outsider', get('http://[fd00:77::6]:8080/', 'seen'))).toBe('error ECONNRESET')
    expect(await run('six', get('http://[fd00:96::12]:8080/', 'seen:8080'))).toContain('"from":"fd00:77::4"')
    expect(await run('four', get('http://10.96.0.12:8080/', 'seen:8080'))).toContain('"from":"::ffff:10.77.0.5"')
  })

  test('names that only the mesh knows have addresses of both families, and what is sent there arrives', async () => {
    const hosts = ['elsewhere.example.com', 'fixed.example.com', 'old.example.com'] as const
    const answers = await run('both', resolve(...hosts.map((host) => ['resolve6', host] as const)))
    expect(answers).toMatch(/^2001:2::[\da-f]+ fd00:98::1 ::ffff:(240\.1\.2\.3|f001:203)$/)
    expect(await run('both', resolve(['resolve4', hosts[0]], ['resolve6', 'nowhere.example.com']))).toMatch(
      /^240\.240\.\d+\.\d+ ENOTFOUND$/,
    )
    const [made, fixed] = answers.split(' ') as [string, string]
    expect(await run('both', get(`http://[${made}]/`, hosts[0]))).toMatch(/^200 /)
    expect(await run('both', read(3306, fixed))).toBe(HELLO)
    expect(await run('both', read(3306, '::ffff:240.1.2.3'))).toBe(HELLO)
  })

  test('no Envoy refuses anything', () => expect(pods.nacks).toEqual([]))

  test('released, a pod is called without its proxy', async () => {
    await pods.release('server')
    expect(await run('outsider', get('http://[fd00:77::2]:8080/', 'web'))).toMatch(/^200 /)
  })
})
