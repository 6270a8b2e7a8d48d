import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { clientOf } from '../../mesh/routing/client.ts'
import { sourceLabelNames } from '../../mesh/routing/virtual-services.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { EncodedResource } from '../encoded-resource.ts'
import { outboundRoutes } from './outbound-routes.ts'
import { renderedYaml } from './rendered.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

const testdata = join(import.meta.dirname, 'testdata')

/** The route configurations of a client, by name; those of all namespaces together. */
function routesFor(
  snapshot: Snapshot,
  namespace: string,
  labels: Record<string, string> = {},
): Map<string, EncodedResource> {
  const layers = outboundRoutes(snapshot, clientOf(namespace, labels, sourceLabelNames(snapshot)), 'refuse')
  return new Map(layers.flatMap((layer) => [...layer]))
}

describe('golden pairs', () => {
  for (const file of readdirSync(testdata).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), async () => {
      const input = readFileSync(join(testdata, file), 'utf8')
      const [, namespace = 'default', labels = '{}'] = /^# client: (\S+)(?: (.*))?/.exec(input) ?? []
      const routes = routesFor(snapshotOfYaml(input), namespace, JSON.parse(labels))
      const messages = [...routes.values()]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ message }) => message as RouteConfiguration)
      const output = join(testdata, file.replace('.in.', '.out.'))
      await expect(renderedYaml(RouteConfigurationSchema, messages)).toMatchFileSnapshot(output)
    })
  }
})
