import { join } from 'node:path'
import { describe } from 'vitest'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { workloads } from '../../mesh/workloads.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { goldenPairs } from '../routes/golden.ts'
import { snapshotOfYaml } from '../routes/snapshot-of-yaml.ts'
import { type GatewayResources, gatewayResources } from './gateway-resources.ts'

function resourcesOf(snapshot: Snapshot, pod: string): GatewayResources {
  const workload = workloads(snapshot).get(pod)
  if (!workload) throw new Error(`no workload ${pod}`)
  return gatewayResources(snapshot, workload)
}

// The first line of the input names the gateway's pod.
describe('golden pairs', () => {
  goldenPairs(join(import.meta.dirname, 'testdata'), (input) => {
    const [, pod = ''] = /^# proxy: (\S+)/.exec(input) ?? []
    const { listener, routes, secret } = resourcesOf(snapshotOfYaml(input), pod)
    return [
      ...[...listener.values()].map((resource) => ({ schema: ListenerSchema, ...resource })),
      ...[...routes.values()].map((resource) => ({ schema: RouteConfigurationSchema, ...resource })),
      ...[...secret.values()].map((resource) => ({ schema: SecretSchema, ...resource })),
    ]
  })
})
