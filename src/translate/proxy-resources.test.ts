import { fileURLToPath } from 'node:url'
import type { DescMessage } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { BootstrapSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { TypedExtensionConfigSchema } from '#envoy/config/core/v3/extension'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { ScopedRouteConfigurationSchema } from '#envoy/config/route/v3/scoped_route'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { bootstrapOf, nodeId } from './bootstrap.ts'
import type { ResourceType } from './encoded-resource.ts'
import { proxyResources } from './proxy-resources.ts'
import { goldenPairs, type Shown } from './routes/golden.ts'
import { snapshotOfYaml } from './routes/snapshot-of-yaml.ts'

const SCHEMAS: Readonly<Record<ResourceType, DescMessage>> = {
  cluster: ClusterSchema,
  endpoints: ClusterLoadAssignmentSchema,
  extension: TypedExtensionConfigSchema,
  listener: ListenerSchema,
  scopedRoutes: ScopedRouteConfigurationSchema,
  routes: RouteConfigurationSchema,
  secret: SecretSchema,
}

// A pair says in its head whose resources it shows, and of which types.
describe('golden pairs', () => {
  goldenPairs(fileURLToPath(new URL('testdata', import.meta.url)), (input) => {
    const proxy = /^# proxy: (\S+)$/m.exec(input)?.[1] ?? ''
    const types = (/^# shows: (.+)$/m.exec(input)?.[1] ?? '').split(' ') as ResourceType[]
    const resources = proxyResources(snapshotOfYaml(input), proxy)
    return types.flatMap((type): Shown[] =>
      (resources?.[type] ?? [])
        .flatMap((layer) => [...layer.values()])
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, message }) => ({ schema: SCHEMAS[type], name, message })),
    )
  })
})

const PROXY = {
  role: 'sidecar',
  pod: 'web-0',
  namespace: 'shop',
  address: '10.0.0.9',
  adminSocket: '/run/weft/web-0/admin.sock',
  sdsSocket: '/run/weft/web-0/sds.sock',
  server: { host: 'weft-server.weft-system.svc', port: 15012 },
} as const

test('the bootstrap names the proxy as Istio does', () => {
  expect(nodeId(PROXY)).toBe('sidecar~10.0.0.9~web-0.shop~shop.svc.cluster.local')
  expect(nodeId({ ...PROXY, role: 'gateway' })).toBe('router~10.0.0.9~web-0.shop~shop.svc.cluster.local')
})

test('the bootstrap insists on the identity of the server, and opens no port', () => {
  const shown = JSON.stringify(bootstrapOf(PROXY), (_, value) => (typeof value === 'bigint' ? Number(value) : value))
  expect(bootstrapOf(PROXY).$typeName).toBe(BootstrapSchema.typeName)
  expect(shown).toContain('weft-server.weft-system.svc')
  expect(shown).not.toContain('127.0.0.1')
})

test('a pod without a proxy has no resources', () => {
  expect(
    proxyResources(snapshotOfYaml('{apiVersion: v1, kind: Pod, metadata: {name: a}}'), 'default/a'),
  ).toBeUndefined()
})
