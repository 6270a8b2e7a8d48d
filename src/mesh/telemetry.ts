import type { Telemetry } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type AccessLogFile, meshConfig } from './mesh-config.ts'
import type { Workload } from './model.ts'
import { byAge } from './precedence.ts'
import type { TelemetryProviders } from './telemetry-providers.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

type Spec = NonNullable<Telemetry['spec']>
export type AccessLogging = NonNullable<Spec['accessLogging']>[number]
export type Tracing = NonNullable<Spec['tracing']>[number]
export type MetricsOverride = NonNullable<NonNullable<Spec['metrics']>[number]['overrides']>[number]

/** How a workload's proxy is to log and count, where that is not as usual. The same object for all workloads that nothing makes a difference between. */
export interface TelemetrySettings {
  /** MeshConfig's; undefined where it says nothing. */
  readonly file: AccessLogFile | undefined
  /** Of the Telemetry that is nearest to the workload among those that say something of it. */
  readonly accessLogging: readonly AccessLogging[]
  /** Those of the mesh first, then the namespace's, then the workload's: the later ones win. */
  readonly overrides: readonly MetricsOverride[]
  /** In the same order. */
  readonly tracing: readonly Tracing[]
  /** What logs and traces can be sent to, by name. */
  readonly providers: TelemetryProviders
  readonly sources: readonly Telemetry[]
}

/** Undefined where everything is as usual. Source: "Telemetry" in Istio's reference, and `accessLogFile` of its MeshConfig. */
export function telemetryOf(snapshot: Snapshot, { namespace, labels }: Workload): TelemetrySettings | undefined {
  const { accessLog, telemetryProviders } = meshConfig(snapshot)
  const all = snapshot.all('telemetry.istio.io/Telemetry')
  if (all.size === 0) return accessLog && settingsOf(accessLog, telemetryProviders)
  const ordered = byNamespace(all)
  const near = namespace === ROOT_NAMESPACE ? [] : (ordered.get(namespace) ?? [])
  const isForAll = ({ spec }: Telemetry) => Object.keys(spec?.selector?.matchLabels ?? {}).length === 0
  const own = namespace === ROOT_NAMESPACE ? (ordered.get(ROOT_NAMESPACE) ?? []) : near
  // One of each: Istio takes the oldest where there are several.
  const chosen = [
    ordered.get(ROOT_NAMESPACE)?.find(isForAll),
    near.find(isForAll),
    own.find((each) => !isForAll(each) && matchesLabels(each.spec?.selector?.matchLabels, labels)),
  ].filter((each) => each !== undefined)
  if (chosen.length === 0) return accessLog && settingsOf(accessLog, telemetryProviders)
  return settingsOf(accessLog, telemetryProviders, ...chosen)
}

const byNamespace = derive('mesh/telemetry', (all: PersistentMap<Telemetry>) =>
  Map.groupBy([...all.values()].sort(byAge), ({ metadata }) => metadata.namespace ?? ''),
)

const settingsOf = derive(
  'mesh/telemetry/settings',
  (
    file: AccessLogFile | undefined,
    providers: TelemetryProviders,
    ...chosen: readonly Telemetry[]
  ): TelemetrySettings => ({
    file,
    providers,
    accessLogging: chosen.findLast(({ spec }) => spec?.accessLogging)?.spec?.accessLogging ?? [],
    overrides: chosen.flatMap(({ spec }) => spec?.metrics?.flatMap(({ overrides }) => overrides ?? []) ?? []),
    tracing: chosen.flatMap(({ spec }) => spec?.tracing ?? []),
    sources: chosen,
  }),
)
