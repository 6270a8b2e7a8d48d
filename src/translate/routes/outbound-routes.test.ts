import { join } from 'node:path'
import { describe } from 'vitest'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { clientOf } from '../../mesh/routing/client.ts'
import { sourceLabelNames } from '../../mesh/routing/virtual-services.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { EncodedResource } from '../encoded-resource.ts'
import { goldenPairs } from './golden.ts'
import { ANY_HOST, outboundRoutes } from './outbound-routes.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

/** The route configurations of a client, in the order of their names. */
function routesFor(snapshot: Snapshot, namespace: string, labels: Record<string, string> = {}): EncodedResource[] {
  const layers = outboundRoutes(snapshot, clientOf(namespace, labels, sourceLabelNames(snapshot)), 'refuse', false)
  return layers.flatMap((layer) => [...layer.values()]).sort((a, b) => (a.name < b.name ? -1 : 1))
}

// The first line of the input names the client's namespace and labels.
describe('golden pairs', () => {
  goldenPairs(join(import.meta.dirname, 'testdata'), (input) => {
    const [, namespace = 'default', labels = '{}'] = /^# client: (\S+)(?: (.*))?/.exec(input) ?? []
    const routes = routesFor(snapshotOfYaml(input), namespace, JSON.parse(labels))
    const shown = input.includes('wildcard') ? routes : routes.filter(({ name }) => name !== ANY_HOST)
    return shown.map(({ name, message }) => ({ schema: RouteConfigurationSchema, name, message }))
  })
})
