import { join } from 'node:path'
import type { DescMessage } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { goldenPairs, type Shown } from '../routes/golden.ts'
import { snapshotOfYaml } from '../routes/snapshot-of-yaml.ts'
import { proxylessBootstrap } from './bootstrap.ts'
import { proxylessResources } from './proxyless-resources.ts'

const TYPES = {
  listener: ListenerSchema,
  routes: RouteConfigurationSchema,
  cluster: ClusterSchema,
  endpoints: ClusterLoadAssignmentSchema,
} satisfies Readonly<Record<string, DescMessage>>

describe('golden pairs', () => {
  goldenPairs(join(import.meta.dirname, 'testdata'), (input) => {
    const proxy = /^# proxy: (\S+)$/m.exec(input)?.[1] ?? ''
    const resources = proxylessResources(snapshotOfYaml(input), proxy)
    return Object.entries(TYPES).flatMap(([type, schema]): Shown[] =>
      (resources?.[type as keyof typeof TYPES] ?? [])
        .flatMap((layer) => [...layer.values()])
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, message }) => ({ schema, name, message })),
    )
  })
})

test('a pod that there is not has nothing', () => {
  expect(proxylessResources(snapshotOfYaml(''), 'shop/nobody')).toBeUndefined()
})

test('the bootstrap names the pod as its proxy would', () => {
  const made = proxylessBootstrap({ pod: 'caller', namespace: 'shop', address: '10.0.0.1' }, 'unix:/run/xds.sock')
  expect(made).toMatchObject({
    xds_servers: [{ server_uri: 'unix:/run/xds.sock', channel_creds: [{ type: 'insecure' }] }],
    node: { id: 'sidecar~10.0.0.1~caller.shop~shop.svc.cluster.local' },
  })
})
