import { clone, type DescMessage, fromJson, type JsonValue, type Message, type MessageShape } from '@bufbuild/protobuf'
import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { TypedExtensionConfigSchema } from '#envoy/config/core/v3/extension'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { FilterChainSchema, FilterSchema, ListenerFilterSchema } from '#envoy/config/listener/v3/listener_components'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { RouteSchema, VirtualHostSchema } from '#envoy/config/route/v3/route_components'
import { HttpFilterSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import type { EnvoyFilter } from '../../resources/istio.ts'
import { derive } from '../../store/derive.ts'
import { envoyTypes } from './envoy-types.ts'
import { mergeMessage } from './merge.ts'

type ConfigPatch = NonNullable<NonNullable<EnvoyFilter['spec']>['configPatches']>[number]
export type PatchMatch = NonNullable<ConfigPatch['match']>

/** What a patch can be applied to, with the message that its value is. */
export const PATCHED = {
  CLUSTER: ClusterSchema,
  LISTENER: ListenerSchema,
  LISTENER_FILTER: ListenerFilterSchema,
  FILTER_CHAIN: FilterChainSchema,
  NETWORK_FILTER: FilterSchema,
  HTTP_FILTER: HttpFilterSchema,
  ROUTE_CONFIGURATION: RouteConfigurationSchema,
  VIRTUAL_HOST: VirtualHostSchema,
  HTTP_ROUTE: RouteSchema,
  EXTENSION_CONFIG: TypedExtensionConfigSchema,
} as const satisfies Readonly<Record<string, DescMessage>>

export type Patched = keyof typeof PATCHED
export type Operation =
  | 'MERGE'
  | 'MERGE_AND_REPLACE_LIST'
  | 'ADD'
  | 'REMOVE'
  | 'INSERT_BEFORE'
  | 'INSERT_AFTER'
  | 'INSERT_FIRST'
  | 'REPLACE'

/** A part of an EnvoyFilter that can be applied. */
export interface Patch {
  readonly filter: EnvoyFilter
  readonly applyTo: Patched
  readonly context: NonNullable<PatchMatch['context']>
  readonly match: PatchMatch
  readonly operation: Operation
  /** Of the type that `applyTo` says. Absent where something is removed. */
  readonly value: Message | undefined
}

/** A part of an EnvoyFilter that cannot be applied. */
export interface PatchProblem {
  readonly filter: EnvoyFilter
  readonly path: readonly (string | number)[]
  readonly problem: string
  readonly remedy: string
}

/** What some EnvoyFilters come to. */
export interface Patches {
  readonly patches: readonly Patch[]
  readonly problems: readonly PatchProblem[]
}

const LIST_ITEMS: readonly Patched[] = [
  'LISTENER_FILTER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  'HTTP_ROUTE',
]
const INSERTS: readonly Operation[] = ['INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST']

/** Whether it changes what there is, rather than adding to it or taking it away. */
export function merges({ operation }: Patch): boolean {
  return operation === 'MERGE' || operation === 'MERGE_AND_REPLACE_LIST'
}

/** Merges the value of a patch into a message of its type, which it changes. */
export function mergePatch<D extends DescMessage>(schema: D, target: Message, { operation, value }: Patch): void {
  const patch = clone(schema, value as MessageShape<D>)
  mergeMessage(schema, target, patch as Message, operation === 'MERGE' ? 'append' : 'replace')
}

/** The patches of an EnvoyFilter, in their order. */
export const patchesOf = derive('translate/envoy-filter/patches', (filter: EnvoyFilter): Patches => {
  const patches: Patch[] = []
  const problems: PatchProblem[] = []
  for (const [i, config] of (filter.spec?.configPatches ?? []).entries()) {
    const at = (...path: (string | number)[]) => ['spec', 'configPatches', i, ...path]
    const refuse = (path: readonly (string | number)[], problem: string, remedy: string) => {
      problems.push({ filter, path, problem, remedy })
    }
    const { applyTo, patch = {} } = config
    const match = withoutEmpty(config.match ?? {})
    const schema = PATCHED[applyTo as Patched] as DescMessage | undefined
    const operation = (patch.operation ?? 'MERGE') as Operation
    if (!schema) {
      refuse(
        at('applyTo'),
        `nothing of a proxy is patched by ${applyTo ?? 'a patch without applyTo'}`,
        `apply it to one of ${Object.keys(PATCHED).join(', ')}`,
      )
      continue
    }
    const target = applyTo as Patched
    if (INSERTS.includes(operation) && !LIST_ITEMS.includes(target)) {
      refuse(
        at('patch', 'operation'),
        `${operation} needs a place among others, which ${target} does not have`,
        'use ADD, MERGE or REMOVE',
      )
      continue
    }
    if (
      operation === 'REPLACE' &&
      target !== 'HTTP_FILTER' &&
      target !== 'NETWORK_FILTER' &&
      target !== 'LISTENER_FILTER'
    ) {
      refuse(at('patch', 'operation'), `REPLACE is for filters, not for ${target}`, 'use MERGE, or REMOVE and ADD')
      continue
    }
    if (target === 'EXTENSION_CONFIG' && operation !== 'ADD') {
      refuse(
        at('patch', 'operation'),
        `EXTENSION_CONFIG is there to ADD one, not to ${operation} what Weft made`,
        'use ADD',
      )
      continue
    }
    const { proxyVersion, metadata } = match.proxy ?? {}
    if (proxyVersion !== undefined && !isVersion(proxyVersion)) continue
    if (metadata && Object.keys(metadata).length > 0) {
      refuse(
        at('match', 'proxy', 'metadata'),
        'proxies of Weft tell no metadata, so that this matches none',
        'select pods by spec.workloadSelector',
      )
      continue
    }
    try {
      const value = operation === 'REMOVE' ? undefined : parsed(schema, patch.value)
      patches.push({ filter, applyTo: target, context: match.context ?? 'ANY', match, operation, value })
    } catch (error) {
      const what = (error as Error).message.replace(/^cannot decode message \S+ from JSON: /, '')
      refuse(
        at('patch', 'value'),
        `it is no ${schema.typeName}: ${what}`,
        'write it as Envoy\'s API has it, with "@type" where the type is open',
      )
    }
  }
  return { patches, problems }
})

/** A match without the fields that are empty: to the published API, which is made of protobuf, those are not set. */
function withoutEmpty<T extends object>(match: T): T {
  const set = Object.entries(match).filter(([, value]) => value !== '' && value !== 0)
  const inner = set.map(([name, value]) => [
    name,
    typeof value === 'object' && value !== null ? withoutEmpty(value) : value,
  ])
  return Object.fromEntries(inner) as T
}

/** The version of Istio whose configuration ours follows, for `match.proxy.proxyVersion`. */
const ISTIO_VERSION = '1.31.1'

/** One that is no regular expression matches nothing; analysis tells of it. */
function isVersion(pattern: string): boolean {
  try {
    return new RegExp(pattern).test(ISTIO_VERSION)
  } catch {
    return false
  }
}

function parsed(schema: DescMessage, value: unknown): Message {
  if (value === undefined) throw new Error('there is no value')
  return fromJson(schema, withoutTypedStructs(value as JsonValue), { registry: envoyTypes() })
}

const TYPED_STRUCT = /\/(udpa\.type\.v1|xds\.type\.v3)\.TypedStruct$/

/** Many EnvoyFilters have configuration of extensions as a TypedStruct, which says the same as the message that it names. */
function withoutTypedStructs(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withoutTypedStructs)
  const fields = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutTypedStructs(inner)]))
  if (!TYPED_STRUCT.test(String(fields['@type']))) return fields
  const inner = fields['value']
  return { ...(typeof inner === 'object' ? inner : {}), '@type': fields['type_url'] ?? fields['typeUrl'] ?? '' }
}
