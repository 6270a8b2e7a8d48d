import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { canRedirect, RedirectedPods } from './redirected-pods.ts'

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

const MESH = `
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop, labels: { app: client, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: client, containers: [{ name: app }] }
status: { podIP: 10.77.0.1, phase: Running }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: known, namespace: shop }
spec:
  hosts: [known.example.com]
  resolution: STATIC
  endpoints: [{ address: 10.77.0.3 }]
  ports: [{ number: 8080, name: http, protocol: HTTP }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: known-by-name, namespace: shop }
spec:
  hosts: [secure.example.com]
  resolution: NONE
  ports: [{ number: 8443, name: tls, protocol: TLS }]
`

const MESH_CONFIG = (mode: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: ${mode} }" }
`

const outsider = ({ certificate: cert, key }: SelfSigned) => `
require('tls').createServer(${JSON.stringify({ cert, key })}, s => s.on('error', () => {}).end('secret')).listen(8443, '10.77.0.3')
require('http').createServer((q, a) => a.end('hello')).listen(8080, '10.77.0.3', () =>
  require('net').createServer(s => s.on('error', () => {}).end('greetings')).listen(9306, '10.77.0.3', () => console.log('ready')))`

const get = (host: string) => `
require('http').get('http://10.77.0.3:8080/', { headers: { host: '${host}' } }, a => a.resume().on('end', () => console.log(a.statusCode)))
  .on('error', e => console.log(e.code))`
const read = `
require('net').connect(9306, '10.77.0.3').on('data', d => console.log(String(d))).on('error', e => console.log(e.code)).on('close', () => console.log('closed'))`

const inTls = (servername: string) => `
require('tls').connect({ host: '10.77.0.3', port: 8443, servername: '${servername}', rejectUnauthorized: false })
  .on('data', d => console.log(String(d))).on('error', e => console.log(e.code))`

describe.skipIf(!isPossible)('calls to places that nothing is known of', () => {
  const pods = new RedirectedPods()
  const run = async (script: string) =>
    (await text(pods.application('client', script).stdout as NodeJS.ReadableStream)).trim()
  const answers = async () => [
    await run(get('known.example.com:8080')),
    await run(get('else:8080')),
    await run(read),
    await run(inTls('secure.example.com')),
    await run(inTls('else.example.com')),
  ]

  beforeAll(async () => {
    pods.network({ client: '10.77.0.1', outsider: '10.77.0.3' })
    pods.apply(MESH)
    await once(
      pods.application('outsider', outsider(await selfSigned('secure.example.com'))).stdout as NodeJS.ReadableStream,
      'data',
    )
    await pods.startProxies()
  })
  afterAll(() => pods.stop())

  test('go where they were going, and under REGISTRY_ONLY nowhere', async () => {
    const all = ['200', '200', 'greetings\nclosed', 'secret', 'secret']
    expect(await answers()).toEqual(all)
    pods.apply(MESH_CONFIG('REGISTRY_ONLY'))
    await expect.poll(answers, { timeout: 60_000 }).toEqual(['200', '502', 'closed', 'secret', 'ECONNRESET'])
    pods.apply(MESH_CONFIG('ALLOW_ANY'))
    await expect.poll(answers, { timeout: 60_000 }).toEqual(all)
    expect(pods.nacks).toEqual([])
  })
})
