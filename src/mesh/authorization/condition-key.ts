/** Keys of `when` that stand for themselves; those of Istio's "Authorization Policy Conditions". */
const PLAIN_KEYS = [
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'destination.ip',
  'destination.port',
  'connection.sni',
] as const

/** Keys of `when` that have names after them, in brackets. */
const NAMING_KEYS = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters'] as const

/** All there are, as they are written. */
export const CONDITION_KEYS: readonly string[] = [
  ...PLAIN_KEYS,
  'request.headers[NAME]',
  'request.auth.claims[NAME]',
  'experimental.envoy.filters.FILTER[KEY]',
]

export interface ConditionKey {
  readonly attribute: (typeof PLAIN_KEYS)[number] | (typeof NAMING_KEYS)[number]
  /** The names in brackets; for `experimental.envoy.filters` the filter first. */
  readonly names: readonly string[]
}

/** @returns undefined for a key that there is not */
export function conditionKey(written: string): ConditionKey | undefined {
  const plain = PLAIN_KEYS.find((key) => key === written)
  if (plain) return { attribute: plain, names: [] }
  const [, attribute, filter, brackets = ''] = NAMED.exec(written) ?? []
  const naming = NAMING_KEYS.find((key) => key === attribute)
  if (!naming) return undefined
  const names = brackets.slice(1, -1).split('][')
  if (naming === 'experimental.envoy.filters')
    return filter ? { attribute: naming, names: [filter, ...names] } : undefined
  if (filter || (naming === 'request.headers' && (names.length > 1 || !HEADER_NAME.test(names[0] ?? ''))))
    return undefined
  return { attribute: naming, names }
}

/** A token of RFC 9110; Envoy refuses to look for others. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const NAMED =
  /^(request\.headers|request\.auth\.claims|experimental\.envoy\.filters)(?:\.([^[\]]+))?((?:\[[^[\]]+\])+)$/

/** Whether connections that are not HTTP lack it. */
export function isOfHttp({ attribute }: ConditionKey): boolean {
  return attribute.startsWith('request.')
}
