// Who may call what outside of the mesh, by the identity of the workload that calls: policies at an egress gateway.
import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from '../translate/gateway-pod.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import {
  ask,
  askDirectly,
  converse,
  httpApplication,
  type TestPod,
  tcpApplication,
  testPod,
} from '../translate/test-pods.ts'

let mesh: MeshOfEnvoys
let payments: TestPod
let other: TestPod
let egress: string
let bankAddress: string
let stop: () => void

beforeAll(async () => {
  egress = await freeLoopback()
  mesh = await MeshOfEnvoys.start()
  payments = await testPod({ name: 'payments', labels: { app: 'payments' } })
  other = await testPod({ name: 'other', labels: { app: 'other' } })
  const bank = await testPod({ name: 'bank', labels: {}, proxy: false })
  const stops = [await httpApplication(bank, 8080), await tcpApplication(bank, 7000), await tlsApplication(bank)]
  stop = () => {
    for (const each of stops) each()
  }
  bankAddress = bank.appAddress
  mesh.apply(payments.yaml, other.yaml, ...egressPod(), configuration(bankAddress))
  await mesh.startProxies()
  await eventually('the way to the bank to be open', async () => (await status(payments)) === 200)
})
afterAll(async () => {
  stop?.()
  await mesh?.stop()
})

const status = async (from: TestPod, host = 'bank.example.com') => (await ask(from, `http://${host}/`)).status

function egressPod(): string[] {
  const pod = gatewayPod({
    name: 'egress-0',
    account: 'egress',
    address: egress,
    labels: { 'security.istio.io/tlsMode': 'istio', istio: 'egressgateway' },
  })
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'egress', namespace: 'default', labels: { 'kubernetes.io/service-name': 'egress' } },
    addressType: 'IPv4',
    ports: [
      { name: 'https', port: 8443 },
      { name: 'tls', port: 7443 },
    ],
    endpoints: [
      {
        addresses: [egress],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: 'egress-0', namespace: 'default' },
      },
    ],
  }
  return [pod, JSON.stringify(slice)]
}

/** As docs/concepts/authorization.md has it. */
function configuration(bank: string): string {
  // By TCP, or by TLS of the application's own: each known to the gateway by the name that the proxies' TLS around it asks for.
  const connections = (name: string, protocol: 'tcp' | 'tls', port: number, localPort: number) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, annotations: { weft.dev/local-port.${port}: "${localPort}" } }
spec: { ports: [{ name: ${protocol}, port: ${port} }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec:
  hosts: [${name}.example.com]
  ports: [{ number: ${port}, name: ${protocol}, protocol: ${protocol.toUpperCase()} }]
  resolution: STATIC
  endpoints: [{ address: ${bank} }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: egress-${name} }
spec:
  selector: { istio: egressgateway }
  servers: [{ hosts: [${name}.example.com], port: { number: 7443, name: tls, protocol: TLS }, tls: { mode: ISTIO_MUTUAL } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}.default.svc.cluster.local, ${name}.example.com]
  gateways: [mesh, egress-${name}]
  ${protocol}:
    - match: [{ gateways: [mesh]${protocol === 'tls' ? `, sniHosts: [${name}.default.svc.cluster.local]` : ''} }]
      route: [{ destination: { host: egress.default.svc.cluster.local, subset: ${name}, port: { number: 7443 } } }]
${protocol === 'tls' ? '  tcp:\n' : ''}    - match: [{ gateways: [egress-${name}] }]
      route: [{ destination: { host: ${name}.example.com, port: { number: ${port} } } }]
---`
  const outside = (name: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec:
  hosts: [${name}.example.com]
  ports: [{ number: 80, targetPort: 8080, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: ${bank} }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}.example.com]
  gateways: [mesh, egress]
  http:
    - match: [{ gateways: [mesh] }]
      route: [{ destination: { host: egress.default.svc.cluster.local, port: { number: 443 } } }]
    - match: [{ gateways: [egress] }]
      route: [{ destination: { host: ${name}.example.com, port: { number: 80 } } }]
---`
  return `
apiVersion: v1
kind: Service
metadata: { name: egress }
spec: { selector: { istio: egressgateway }, ports: [{ name: https, port: 443, targetPort: 8443 }, { name: tls, port: 7443 }] }
---
${outside('bank')}
${outside('news')}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: egress }
spec:
  selector: { istio: egressgateway }
  servers:
    - hosts: ["*.example.com"]
      port: { number: 443, name: https, protocol: HTTPS }
      tls: { mode: ISTIO_MUTUAL }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: egress }
spec:
  host: egress.default.svc.cluster.local
  trafficPolicy: { tls: { mode: ISTIO_MUTUAL, sni: outside.example.com } }
  subsets:
    - { name: ledger, trafficPolicy: { tls: { mode: ISTIO_MUTUAL, sni: ledger.example.com } } }
    - { name: vault, trafficPolicy: { tls: { mode: ISTIO_MUTUAL, sni: vault.example.com } } }
---
${connections('ledger', 'tcp', 7000, 20001)}
${connections('vault', 'tls', 8443, 20002)}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: egress }
spec:
  selector: { matchLabels: { istio: egressgateway } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/payments] } }]
      to: [{ operation: { hosts: [bank.example.com] } }]
    - from: [{ source: { namespaces: [default] } }]
      to: [{ operation: { hosts: [news.example.com], methods: [GET] } }]
    - from: [{ source: { principals: [cluster.local/ns/default/sa/payments] } }]
      when: [{ key: connection.sni, values: [ledger.example.com, vault.example.com] }]
`
}

test('a host outside is for the workloads that a policy names', async () => {
  expect([await status(payments), await status(other)]).toEqual([200, 403])
  expect([await status(payments, 'news.example.com'), await status(other, 'news.example.com')]).toEqual([200, 200])
  expect((await ask(other, 'http://news.example.com/', { method: 'POST' })).status).toBe(403)
})

/** Takes TLS itself, at 8443, and says its name. */
async function tlsApplication({ appAddress, name }: TestPod): Promise<() => void> {
  const { certificate: cert, key } = await selfSigned('vault.example.com')
  const server = createServer({ cert, key }, (socket) => {
    socket.on('error', () => {})
    socket.end(`${name}, asked for as ${(socket as TLSSocket & { servername?: string }).servername}`)
  })
  await once(server.listen(8443, appAddress), 'listening')
  return () => server.close()
}

test('so it is for connections, and for TLS of applications that nobody on the way opens', async () => {
  const line = (from: TestPod) => converse(from.address, 20_001, 'hello').catch(() => 'refused')
  await eventually('the way to the ledger to be open', async () => (await line(payments)) === 'bank\nhello\n')
  expect(await line(other)).toBe('refused')
  const overTls = (from: TestPod, servername = 'vault.default.svc.cluster.local') =>
    new Promise<string>((resolve) => {
      const socket = connect({ host: from.address, port: 20_002, servername, rejectUnauthorized: false })
      let heard = ''
      socket.setEncoding('utf8').on('data', (text: string) => {
        heard += text
      })
      socket.on('error', () => {}).on('close', () => resolve(heard || 'refused'))
      socket.setTimeout(10_000, () => socket.destroy())
    })
  await eventually('the way to the vault to be open', async () => (await overTls(payments)) !== 'refused')
  expect(await overTls(payments)).toBe('bank, asked for as vault.default.svc.cluster.local')
  expect(await overTls(other)).toBe('refused')
  expect(await overTls(payments, 'elsewhere.example.com')).toBe('refused')
})

test('callers are known by other names of the trust domain, and may speak TLS 1.2 where the mesh config says so', async () => {
  mesh.shows('MeshConfig', 'trustDomainAliases', 'meshMTLS')
  const settled = async () => {
    const { key, cert, ca } = await mesh.certificate('spiffe://cluster.local/ns/default/sa/payments')
    const offer = {
      host: egress,
      port: 8443,
      key,
      cert,
      ca,
      maxVersion: 'TLSv1.2',
      servername: 'outside.example.com',
    } as const
    return new Promise<string>((resolve) => {
      const socket = connect({ ...offer, checkServerIdentity: () => undefined }, () => {
        resolve(socket.getProtocol() ?? '')
        socket.destroy()
      })
      socket.on('error', () => resolve('refused'))
    })
  }
  expect(await settled()).toBe('refused')
  const config = `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "{ trustDomainAliases: [old.example.com], meshMTLS: { minProtocolVersion: TLSV1_2 } }" }
`
  const moved = configuration(bankAddress).replace('[cluster.local/ns', '[old.example.com/ns')
  mesh.apply(moved)
  await eventually('the other name to be nobody', async () => (await status(payments)) === 403)
  mesh.apply(config)
  await eventually('the other name to be the same', async () => (await status(payments)) === 200)
  expect(await status(other)).toBe(403)
  await eventually('TLS 1.2 to be taken', async () => (await settled()) === 'TLSv1.2')
  mesh.remove(config)
  mesh.apply(configuration(bankAddress))
  await eventually('all to be as it was', async () => (await status(payments)) === 200)
})

test('nobody gets out by the name of another host, or without an identity', async () => {
  // What is asked for is what the URL says: a header with another name is not sent on.
  const { seen } = await ask(other, 'http://news.example.com/', { headers: { host: 'bank.example.com' } })
  expect(seen?.headers['host']).toBe('news.example.com')
  await expect(askDirectly(egress, 8443, '/', { host: 'bank.example.com' })).rejects.toThrow()
  expect(mesh.nacks).toEqual([])
})
