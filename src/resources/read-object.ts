import { type Fields, isFields } from './fields.ts'
import { type Finding, findingMessage, type Place } from './finding.ts'
import { identify, nameIn } from './identify.ts'
import type { Kind, KindId } from './kinds.ts'
import { fieldText, type Message } from './message.ts'
import { labelProblem, nameProblem } from './name.ts'
import { KIND, keyOf, ORIGIN, type Origin, type Resource } from './resource.ts'
import { validate } from './validate.ts'

export interface ReadOptions {
  /** Namespace of objects that name none; `default` where absent. */
  readonly namespace?: string
  /** `false` for what an API server has checked already, with a schema that may be newer than ours. */
  readonly validate?: boolean
}

/** Names an object of which there is no valid version: its last good one stays in force. */
export interface ObjectKey {
  readonly kind: KindId
  /** As `keyOf` makes it. */
  readonly key: string
}

export type ReadResult =
  | { readonly resource: Resource; readonly messages: readonly Message[] }
  | {
      readonly resource?: undefined
      readonly messages: readonly Message[]
      /** Which object it would have been, where that can be told. */
      readonly rejected?: ObjectKey
      /** It is none of ours: there is nothing to keep. */
      readonly foreign: boolean
    }

/** More messages than this on one object help nobody. */
const MAX_MESSAGES = 20

/**
 * Makes a frozen Resource of an object as it was written: its kind is known, its name is one, its fields are those that the
 * published schema has. Fields that are set to null are left out where Kubernetes does so. Neither changes nor keeps `given`'s
 * outer objects, but freezes those inside.
 */
export function readObject(
  given: unknown,
  origin: Origin | undefined,
  place: Place,
  { namespace = 'default', validate: check = true }: ReadOptions = {},
): ReadResult {
  const identified = identify(given)
  if (!identified.kind) {
    const { finding, foreign } = identified
    return { messages: [findingMessage(finding, nameIn(given), place)], foreign }
  }
  const { kind, value, metadata } = identified
  const object = withoutNulls(kind, { ...value, metadata: withNamespace(metadata, kind, namespace) })
  const findings = metadataFindings(kind, metadata)
  if (check) {
    const told = new Set(findings.map(({ path }) => fieldText(path)))
    for (const problem of validate(kind, object, place.written)) {
      if (!told.has(fieldText(problem.path))) findings.push({ severity: 'error', ...problem })
    }
  }
  const name = metadata['name']
  const key = typeof name === 'string' && name !== '' ? keyOf(object as unknown as Resource) : undefined
  const messages = told(findings, `${kind.kind}${key === undefined ? '' : ` ${key}`}`, place)
  if (key === undefined) return { messages, foreign: false }
  if (findings.some(({ severity }) => severity === 'error')) {
    return { messages, rejected: { kind: kind.id, key }, foreign: false }
  }
  const resource = { ...object, [KIND]: kind.id, ...(origin ? { [ORIGIN]: origin } : {}) }
  freeze(resource)
  return { resource: resource as unknown as Resource, messages }
}

/** What is wrong with name and namespace. */
function metadataFindings(kind: Kind, { name, namespace, generateName }: Fields): Finding[] {
  const findings: Finding[] = []
  if (typeof name === 'string') {
    const wrong = nameProblem(kind, name)
    if (wrong) findings.push({ rule: 'bad-name', severity: 'error', path: ['metadata', 'name'], ...wrong })
  } else if (name === undefined || name === null) {
    const remedy = generateName ? 'give it a name: generateName needs an API server' : 'give the object a name'
    const path = ['metadata', 'name']
    findings.push({ rule: 'missing-field', severity: 'error', path, problem: 'is missing', remedy })
  }
  if (typeof namespace !== 'string' || namespace === '') return findings
  const path = ['metadata', 'namespace']
  if (kind.namespaced) {
    const wrong = labelProblem(namespace)
    if (wrong) findings.push({ rule: 'bad-name', severity: 'error', path, ...wrong })
  } else {
    const problem = `a ${kind.kind} is in no namespace`
    findings.push({ rule: 'namespace-ignored', severity: 'warning', path, problem, remedy: 'leave it out' })
  }
  return findings
}

function told(findings: readonly Finding[], object: string, place: Place): Message[] {
  const messages = findings.slice(0, MAX_MESSAGES).map((finding) => findingMessage(finding, object, place))
  const more = findings.length - messages.length
  if (more > 0) {
    const problem = `${more} more problems are not shown`
    const rest = {
      rule: 'more-problems',
      severity: 'error',
      path: [],
      problem,
      remedy: 'mend those above first',
    } as const
    messages.push(findingMessage(rest, object, place))
  }
  return messages
}

function withNamespace(metadata: Fields, kind: Kind, defaultNamespace: string): Fields {
  const { namespace, ...rest } = metadata
  if (!kind.namespaced) return rest
  return {
    ...rest,
    namespace: namespace === undefined || namespace === null || namespace === '' ? defaultNamespace : namespace,
  }
}

/** API servers take null for "not set" in `metadata` and in kinds of Kubernetes itself, not in others. */
function withoutNulls(kind: Kind, object: Fields): Fields {
  const builtIn = !kind.group.includes('.') || kind.group === 'discovery.k8s.io'
  return builtIn ? dropNulls(object) : { ...object, metadata: dropNulls(object['metadata']) }
}

function dropNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(dropNulls) as T
  if (!isFields(value)) return value
  const set = Object.entries(value).filter(([, field]) => field !== null)
  return Object.fromEntries(set.map(([key, field]) => [key, dropNulls(field)])) as T
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const field of Object.values(value)) freeze(field)
}
