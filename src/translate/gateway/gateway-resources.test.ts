import { join } from 'node:path'
import { beforeAll, describe, expect, it, test } from 'vitest'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import type { Secret } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { workloads } from '../../mesh/workloads.ts'
import { derivations } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { envoyJson } from '../envoy-json.ts'
import { proxyResources } from '../proxy-resources.ts'
import { goldenPairs } from '../routes/golden.ts'
import { snapshotOfYaml } from '../routes/snapshot-of-yaml.ts'
import { type GatewayResources, gatewayResources } from './gateway-resources.ts'
import { type SelfSigned, selfSigned } from './self-signed.ts'

let shop: SelfSigned
let other: SelfSigned

beforeAll(async () => {
  shop = await selfSigned('shop.example.com')
  other = await selfSigned('shop.example.com')
})

function resourcesOf(snapshot: Snapshot, pod: string): GatewayResources {
  const workload = workloads(snapshot).get(pod)
  if (!workload) throw new Error(`no workload ${pod}`)
  return gatewayResources(snapshot, workload, PersistentMap.empty())
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

// The first line of the input names the gateway's pod. CERTIFICATE and KEY in it stand for ones that are made for the test.
describe('golden pairs', () => {
  goldenPairs(join(import.meta.dirname, 'testdata'), (input) => {
    const [, pod = ''] = /^# proxy: (\S+)/.exec(input) ?? []
    const text = input.replaceAll('CERTIFICATE', base64(shop.certificate)).replaceAll('KEY', base64(shop.key))
    const { listener, routes, udp } = resourcesOf(snapshotOfYaml(text), pod)
    return [
      ...[...listener.values()].map((resource) => ({ schema: ListenerSchema, ...resource })),
      ...[...routes.values()].map((resource) => ({ schema: RouteConfigurationSchema, ...resource })),
      ...[...(udp?.clusters.values() ?? [])].map((resource) => ({ schema: ClusterSchema, ...resource })),
      ...[...(udp?.endpoints.values() ?? [])].map((resource) => ({ schema: ClusterLoadAssignmentSchema, ...resource })),
    ]
  })
})

const POD = `
apiVersion: v1
kind: Pod
metadata:
  name: ingress-0
  namespace: istio-system
  labels: {istio: ingressgateway, weft.dev/proxy-role: gateway}
spec: {containers: [{name: proxy}]}
status: {podIP: 10.0.0.9}`

const HTTPS = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8443, name: https, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: SIMPLE, credentialName: shop}`

function secret(namespace: string, data: Record<string, string>): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'shop', namespace }, data })
}

describe('certificates', () => {
  const withSecret = (text: string) => resourcesOf(snapshotOfYaml(POD, HTTPS, text), 'istio-system/ingress-0')

  it('are sent to the gateway that names them, from its own namespace', () => {
    const data = { 'tls.crt': base64(shop.certificate), 'tls.key': base64(shop.key) }
    const { secret: sent, listener } = withSecret(secret('istio-system', data))
    const message = sent.get('kubernetes://istio-system/shop')?.message as Secret
    expect(message.type.case).toBe('tlsCertificate')
    expect([...listener.keys()]).toEqual(['0.0.0.0_8443'])
    expect(withSecret(secret('default', data)).secret.size).toBe(0)
  })

  it.each([
    ['there is no Secret', () => secret('other', {})],
    [
      'the key is of another certificate',
      () => secret('istio-system', { 'tls.crt': base64(shop.certificate), 'tls.key': base64(other.key) }),
    ],
    [
      'the certificate cannot be read',
      () => secret('istio-system', { 'tls.crt': base64('x'), 'tls.key': base64(shop.key) }),
    ],
    ['the key is missing', () => secret('istio-system', { 'tls.crt': base64(shop.certificate) })],
  ])('leave their server out where %s', (_, text) => {
    const { secret: sent, listener } = withSecret(text())
    expect(sent.size).toBe(0)
    expect(listener.size).toBe(0)
  })

  it('change no listener when they are renewed', () => {
    const of = ({ certificate, key }: SelfSigned) =>
      snapshotOfYaml(POD, HTTPS, secret('istio-system', { 'tls.crt': base64(certificate), 'tls.key': base64(key) }))
    const before = of(shop)
    const first = resourcesOf(before, 'istio-system/ingress-0')
    const renewed = of(other).get('core/Secret', 'istio-system/shop')
    if (!renewed) throw new Error('no secret')
    const second = resourcesOf(before.with([{ put: renewed }]), 'istio-system/ingress-0')
    expect(second.listener).toBe(first.listener)
    expect(second.routes).toBe(first.routes)
    expect(second.secret.get('kubernetes://istio-system/shop')?.version).not.toBe(
      first.secret.get('kubernetes://istio-system/shop')?.version,
    )
  })
})

describe('what a change costs', () => {
  const virtualService = (name: string, path: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [${name}.example.com]
  gateways: [istio-system/public]
  http:
  - match: [{uri: {prefix: ${path}}}]
    route: [{destination: {host: ${name}, port: {number: 80}}}]`
  const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ['*']`
  const names = Array.from({ length: 50 }, (_, index) => `s${index}`)

  it('is one route configuration, made of the other rules as they were', () => {
    const texts = names.map((name) => virtualService(name, '/'))
    const before = snapshotOfYaml(POD, gateway, ...texts)
    const first = resourcesOf(before, 'istio-system/ingress-0')
    const [changed] = snapshotOfYaml(virtualService('s7', '/new')).resources()
    if (!changed) throw new Error('no virtual service')
    derivations.clear()
    const second = resourcesOf(before.with([{ put: changed }]), 'istio-system/ingress-0')
    expect(second.routes).not.toBe(first.routes)
    expect(second.listener).toBe(first.listener)
    expect(derivations.get('translate/gateway/rule-routes')).toBe(1)
    expect(derivations.get('encode/routes')).toBe(1)
  })

  it('is nothing for what does not concern it', () => {
    const before = snapshotOfYaml(POD, gateway, virtualService('a', '/'))
    const first = resourcesOf(before, 'istio-system/ingress-0')
    const [unrelated] = snapshotOfYaml(secret('istio-system', {})).resources()
    if (!unrelated) throw new Error('no secret')
    expect(resourcesOf(before.with([{ put: unrelated }]), 'istio-system/ingress-0')).toEqual(first)
    expect(resourcesOf(before.with([{ put: unrelated }]), 'istio-system/ingress-0').routes).toBe(first.routes)
  })
})

describe('the certificate that a Gateway shows to backends', () => {
  const objects = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: 80, protocol: HTTP }]
  tls: { backend: { clientCertificateRef: { group: '', kind: Secret, name: client } } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: secure, namespace: shop }
spec:
  targetRefs: [{ group: '', kind: Service, name: secure }]
  validation: { wellKnownCACertificates: System, hostname: secure.example.com }
---
apiVersion: v1
kind: Service
metadata: { name: secure, namespace: shop }
spec: { selector: { app: secure }, ports: [{ name: https, port: 443 }] }
---
apiVersion: v1
kind: Service
metadata: { name: plain, namespace: shop }
spec: { selector: { app: plain }, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: web-0, namespace: shop, labels: { gateway.networking.k8s.io/gateway-name: web } }
spec: { containers: [{ name: proxy }] }
status: { podIP: 10.0.0.9 }`
  const certificatesOf = (...texts: string[]) => {
    const { cluster } = proxyResources(snapshotOfYaml(objects, ...texts), 'shop/web-0') ?? { cluster: [] }
    return Object.fromEntries(
      (cluster ?? []).flatMap((layer) =>
        [...layer.values()].map(({ name, message }) => [
          name,
          JSON.stringify(envoyJson(ClusterSchema, message as Cluster)).match(/kubernetes:\/\/[^"]+/)?.[0],
        ]),
      ),
    )
  }

  it('is that of its Secret, for backends with a BackendTLSPolicy only', () => {
    const client = { 'tls.crt': base64(shop.certificate), 'tls.key': base64(shop.key) }
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'client', namespace: 'shop' }, data: client }
    expect(certificatesOf(JSON.stringify(secret))).toMatchObject({
      'outbound|443||secure.shop.svc.cluster.local': 'kubernetes://shop/client',
      'outbound|80||plain.shop.svc.cluster.local': undefined,
    })
  })

  it('is none where the Secret is not there', () => {
    expect(certificatesOf()).toMatchObject({ 'outbound|443||secure.shop.svc.cluster.local': undefined })
  })
})

describe('a credential that a DestinationRule names', () => {
  const outside = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: shop }
spec: { hosts: [bank.example.com], resolution: DNS, ports: [{ number: 443, name: https, protocol: HTTPS }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: bank, namespace: shop }
spec:
  host: bank.example.com
  trafficPolicy: { tls: { mode: MUTUAL, credentialName: bank, sni: bank.example.com }, proxyProtocol: { version: V1 } }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: istio-system, labels: { security.istio.io/tlsMode: istio } }
spec: { containers: [{ name: app }] }
status: { podIP: 10.0.0.8 }
---${POD}`
  const bank = (data: Record<string, string>, name = 'bank') =>
    JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'istio-system' }, data })
  const seen = (pod: string, ...texts: string[]) => {
    const { cluster = [], secret = [] } = proxyResources(snapshotOfYaml(outside, ...texts), pod) ?? {}
    const [found] = cluster.flatMap((layer) => layer.get('outbound|443||bank.example.com') ?? [])
    const text = JSON.stringify(envoyJson(ClusterSchema, found?.message as Cluster))
    return {
      used: [...text.matchAll(/kubernetes:\/\/[^"]+/g)].map(([name]) => name),
      believes: !text.includes('"verifyCertificateHash"'),
      announced: text.includes('ProxyProtocolUpstreamTransport'),
      sent: secret.flatMap((layer) => [...layer.keys()]).sort(),
    }
  }

  it('is what a gateway shows, and what it verifies servers by, from its own namespace', () => {
    const pair = { 'tls.crt': base64(shop.certificate), 'tls.key': base64(shop.key) }
    const both = ['kubernetes://istio-system/bank', 'kubernetes://istio-system/bank-cacert']
    const whole = bank({ ...pair, 'ca.crt': base64(other.certificate) })
    expect(seen('istio-system/ingress-0', whole)).toEqual({ used: both, believes: true, announced: true, sent: both })
    const apart = [bank(pair), bank({ 'ca.crt': base64(other.certificate) }, 'bank-cacert')]
    expect(seen('istio-system/ingress-0', ...apart)).toEqual({
      used: both,
      believes: true,
      announced: true,
      sent: both,
    })
  })

  it("is nobody else's", () => {
    const data = { 'tls.crt': base64(shop.certificate), 'tls.key': base64(shop.key) }
    expect(seen('istio-system/web', bank(data))).toEqual({ used: [], believes: true, announced: true, sent: [] })
  })

  it('leaves no server to believe where it is not there', () => {
    const nothing = { used: [], believes: false, announced: true, sent: [] }
    expect(seen('istio-system/ingress-0')).toEqual(nothing)
    expect(seen('istio-system/ingress-0', bank({ 'tls.crt': base64(shop.certificate) }))).toEqual(nothing)
  })
})

test('AUTO_PASSTHROUGH passes mesh mTLS on to the cluster that it asks for', () => {
  const snapshot = snapshotOfYaml(`
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: east-west, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  servers:
  - { port: { number: 15443, name: tls, protocol: TLS }, hosts: ['*.local'], tls: { mode: AUTO_PASSTHROUGH } }
---${POD}`)
  const { cluster = [], listener = [] } = proxyResources(snapshot, 'istio-system/ingress-0') ?? {}
  const shown = (layers: typeof cluster, name: string) => layers.flatMap((layer) => layer.get(name)?.message ?? [])[0]
  const name = 'outbound_.80_._.web.shop.svc.cluster.local'
  expect(shown(cluster, name)).toMatchObject({
    name,
    edsClusterConfig: { serviceName: 'outbound|80||web.shop.svc.cluster.local' },
    transportSocketMatches: [],
  })
  expect(shown(listener, '0.0.0.0_15443')).toMatchObject({
    filterChains: [
      {
        filterChainMatch: { serverNames: ['*.local'], transportProtocol: 'tls' },
        filters: expect.arrayContaining([expect.objectContaining({ name: 'envoy.filters.network.sni_cluster' })]),
      },
    ],
  })
})

test('a gateway speaks HTTP/1.1 to ports of unknown protocol, whatever its clients speak', () => {
  const snapshot = snapshotOfYaml(`
apiVersion: v1
kind: Service
metadata: { name: unknown, namespace: istio-system }
spec: { selector: { app: unknown }, ports: [{ port: 8080 }] }
---${POD}`)
  const { cluster = [] } = proxyResources(snapshot, 'istio-system/ingress-0') ?? {}
  const [unknown] = cluster.flatMap((layer) => layer.get('outbound|8080||unknown.istio-system.svc.cluster.local') ?? [])
  expect(JSON.stringify(envoyJson(ClusterSchema, unknown?.message as Cluster))).toContain(
    '"explicitHttpConfig":{"httpProtocolOptions":{}}',
  )
})
