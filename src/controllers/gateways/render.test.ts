import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { apiGateway } from '../../mesh/routing/api-gateways.ts'
import { ourClass } from '../../mesh/routing/gateway-names.ts'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import type { LiveObject } from '../../sources/kubernetes/write.ts'
import { gatewayAddresses } from './addresses.ts'
import { differs, stamped } from './differs.ts'
import { merged, type Value } from './merge.ts'
import { gatewayParameters } from './parameters.ts'
import { type GatewayPod, gatewayObjects, type MadeObject } from './render.ts'

const podTemplate = ({ serviceAccount, labels, annotations }: GatewayPod): Value => ({
  metadata: { labels, annotations },
  spec: { serviceAccountName: serviceAccount, containers: [{ name: 'weft-proxy', image: 'envoy' }] },
})

/** What is made for the first Gateway of some YAML, or why nothing is. */
function rendered(yaml: string): readonly MadeObject[] | { readonly problem: string } {
  const snapshot = snapshotOfYaml(yaml)
  const [[key, gateway] = []] = [...snapshot.all('gateway.networking.k8s.io/Gateway')]
  if (!key || !gateway) throw new Error('no gateway')
  const gatewayClass = ourClass(snapshot.all('gateway.networking.k8s.io/GatewayClass'), gateway)
  if (!gatewayClass) throw new Error('not ours')
  const parameters = gatewayParameters(gateway, gatewayClass, snapshot.all('core/ConfigMap'))
  const api = apiGateway(snapshot, key)
  if (!api) throw new Error('no gateway')
  return 'problem' in parameters ? parameters : gatewayObjects(api, parameters, podTemplate)
}

describe('golden pairs', () => {
  const folder = join(import.meta.dirname, 'testdata')
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), () => {
      const made = rendered(readFileSync(join(folder, file), 'utf8'))
      const text = (Array.isArray(made) ? made : [made])
        .map((each) => stringify(each, { lineWidth: 0, aliasDuplicateObjects: false }))
        .join('---\n')
      const output = join(folder, file.replace('.in.', '.out.'))
      if (process.env['UPDATE_GOLDEN']) writeFileSync(output, text)
      expect(text).toBe(readFileSync(output, 'utf8'))
    })
  }
})

const CLASS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weft }
spec: { controllerName: weft.dev/gateway-controller }`

const gateway = (spec: string, name = 'web') => `${CLASS}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop, uid: u1 }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: 80, protocol: HTTP }]
${spec}`

describe('names', () => {
  it('fit into a Service and a label however long the Gateway is called, and stay apart', () => {
    const names = [`${'a'.repeat(253)}`, `${'a'.repeat(252)}b`].map((name) => {
      const made = rendered(gateway('', name)) as readonly MadeObject[]
      for (const { metadata } of made) {
        expect(metadata.name).toMatch(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/)
        for (const value of Object.values(metadata['labels'] as Record<string, string>))
          expect(value).toMatch(/^[a-z0-9][a-z0-9.-]{0,61}[a-z0-9]$/)
      }
      return made[0]?.metadata.name
    })
    expect(names[0]).not.toBe(names[1])
  })

  it('begin with a letter, as those of Services must', () => {
    const [made] = rendered(gateway('', '1st')) as readonly MadeObject[]
    expect(made?.metadata.name).toBe('gateway-1st-weft')
  })
})

describe('parameters that cannot be used', () => {
  const using = (reference: string, configMap = '') =>
    rendered(`${gateway(`  infrastructure: { parametersRef: ${reference} }`)}\n---\n${configMap}`)

  it.each([
    ['another kind', '{ group: example.com, kind: Settings, name: a }', '', 'names a Settings of group "example.com"'],
    [
      'none of that name',
      '{ group: "", kind: ConfigMap, name: a }',
      '',
      'there is none with any of the keys deployment',
    ],
    [
      'no YAML',
      '{ group: "", kind: ConfigMap, name: a }',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: shop }\ndata: { service: "[" }',
      'service in ConfigMap shop/a (spec.infrastructure.parametersRef) is not a YAML map',
    ],
  ])('are told of: %s', (_, reference, configMap, problem) => {
    expect(using(reference, configMap)).toEqual({ problem: expect.stringContaining(problem) })
  })
})

describe('what is laid over an object', () => {
  it('merges maps and named lists, and takes away what is null', () => {
    const base = parse('{ a: { b: 1, c: 2 }, list: [1, 2], named: [{ name: x, v: 1, w: 1 }, { name: y }] }') as Value
    const patch = parse('{ a: { c: null, d: 3 }, list: [3], named: [{ name: z }, { name: x, v: 2 }] }') as Value
    expect(merged(base, patch)).toEqual(
      parse('{ a: { b: 1, d: 3 }, list: [3], named: [{ name: x, v: 2, w: 1 }, { name: y }, { name: z }] }'),
    )
  })
})

describe('what differs', () => {
  const [object] = (rendered(gateway('')) as readonly MadeObject[]).map(stamped)
  const live = (metadata: object): LiveObject => {
    const copy = structuredClone(object) as unknown as LiveObject
    return { ...copy, metadata: { ...copy.metadata, ...metadata } }
  }

  it('is not what the API server adds, or writes in another way', () => {
    const added = live({ resourceVersion: '7', managedFields: [] })
    expect(differs(added, object as MadeObject)).toBe(false)
    const wanted = { ...object, limits: { cpu: '0.1', memory: '128Mi' } } as MadeObject
    const kept = { ...object, limits: { cpu: '100m', memory: '134217728' } } as unknown as LiveObject
    expect(differs(kept, wanted)).toBe(false)
    expect(differs({ ...kept, limits: { cpu: '100m', memory: '1Gi' } }, wanted)).toBe(true)
  })

  it('is what somebody changed or took away, and what we want no longer', () => {
    expect(differs(live({ labels: {} }), object as MadeObject)).toBe(true)
    const other = stamped({ ...(object as MadeObject), extra: 1 })
    expect(differs(other as unknown as LiveObject, object as MadeObject)).toBe(true)
  })
})

describe('addresses', () => {
  const addresses = (spec: string, service: string) => {
    const snapshot = snapshotOfYaml(gateway(spec), service)
    const found = snapshot.get('gateway.networking.k8s.io/Gateway', 'shop/web')
    return found && gatewayAddresses(snapshot, found)
  }
  const service = (type: string, ingress: string, ready = true) => `
apiVersion: v1
kind: Service
metadata: { name: web-weft, namespace: shop }
spec: { type: ${type}, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{ port: 80 }] }
status: { loadBalancer: { ingress: ${ingress} } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-weft-1, namespace: shop, labels: { kubernetes.io/service-name: web-weft } }
addressType: IPv4
ports: [{ port: 80 }]
endpoints: [{ addresses: [10.1.0.1], conditions: { ready: ${ready} } }]`

  it('are those of the Service: what the load balancer gave, else its cluster address', () => {
    expect(addresses('', service('LoadBalancer', '[{ ip: 192.0.2.1 }, { hostname: lb.example.com }]'))).toEqual({
      addresses: [
        { type: 'IPAddress', value: '192.0.2.1' },
        { type: 'Hostname', value: 'lb.example.com' },
      ],
    })
    expect(addresses('', service('ClusterIP', '[]'))?.addresses).toEqual([{ type: 'IPAddress', value: '10.0.0.1' }])
  })

  it.each([
    ['AddressNotAssigned', '', service('LoadBalancer', '[]')],
    ['AddressNotAssigned', '', ''],
    [
      'AddressNotUsable',
      '  addresses: [{ type: IPAddress, value: 192.0.2.9 }]',
      service('LoadBalancer', '[{ ip: 192.0.2.1 }]'),
    ],
    ['Pending', '', service('LoadBalancer', '[{ ip: 192.0.2.1 }]', false)],
    ['UnsupportedAddress', '  addresses: [{ type: NamedAddress, value: a }]', service('LoadBalancer', '[]')],
  ])('are told to be missing, or to serve nobody: %s', (reason, spec, service) => {
    expect(addresses(spec, service)?.problem?.reason).toBe(reason)
  })
})
