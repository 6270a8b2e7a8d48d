import type { Pod, Service } from '../../resources/core.ts'
import type { HTTPRoute } from '../../resources/gateway-api.ts'
import { serviceOfHost } from '../../resources/host.ts'
import type { DestinationRule, VirtualService } from '../../resources/istio.ts'
import { matchesLabels } from '../../resources/labels.ts'
import type { ReleaseObjects, VersionService } from './routes.ts'
import { NoShift } from './shares.ts'

/** All that there is of the kinds that say something of releases. */
export interface ObjectsOfMesh {
  readonly virtualServices: readonly VirtualService[]
  readonly httpRoutes: readonly HTTPRoute[]
  readonly destinationRules: readonly DestinationRule[]
  readonly services: readonly Service[]
  readonly pods: readonly Pod[]
}

/** What a release of a host may have to do with: versions by label, and Services that have the pods of one each. @throws NoShift */
export function releaseObjects(host: string, { services, pods, ...routes }: ObjectsOfMesh): ReleaseObjects {
  const { name, namespace } = serviceOfHost(host) ?? {}
  const near = services.filter(({ metadata }) => metadata.namespace === namespace)
  const service = near.find(({ metadata }) => metadata.name === name)
  if (!service) {
    if (!name) return { ...routes, versions: [], versionServices: [] }
    throw new NoShift(
      `there is no Service ${namespace}/${name}`,
      `name one of ${near.map(({ metadata }) => metadata.name).join(', ') || 'another namespace (-n)'}`,
    )
  }
  const selector = service.spec?.selector
  const meant = pods.filter(
    ({ metadata }) => metadata.namespace === namespace && matchesLabels(selector, metadata.labels ?? {}),
  )
  const versionServices = near
    .filter(({ spec }) => narrower(spec?.selector ?? {}, selector ?? {}))
    .map(
      ({ metadata, spec }): VersionService => ({
        name: metadata.name,
        ports: (spec?.ports ?? []).map(({ port }) => port),
      }),
    )
  const versions = [...new Set(meant.flatMap(({ metadata }) => metadata.labels?.['version'] ?? []))].sort()
  return { ...routes, versions, versionServices }
}

/** Whether a selector takes some of what another takes, and no others. */
function narrower(selector: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(other)
  return (
    wanted.length > 0 &&
    Object.keys(selector).length > wanted.length &&
    wanted.every(([label, value]) => selector[label] === value)
  )
}
