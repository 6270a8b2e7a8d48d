import { foreignKind } from './foreign-kinds.ts'
import { apiVersionOf, KINDS, type Kind, type KindId, kindOf } from './kinds.ts'
import { fieldText, type Message, type Severity } from './message.ts'
import { labelProblem, nameProblem } from './name.ts'
import {
  type FieldPath,
  KIND,
  keyOf,
  type ObjectMeta,
  ORIGIN,
  type Origin,
  type Position,
  type Resource,
} from './resource.ts'
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

/** Looks into the text that an object was read from; empty where it comes from no file. */
export interface Place {
  readonly locate?: (path: FieldPath, part: 'key' | 'value') => Position
  /** A scalar as it stands in the file. */
  readonly written?: (path: FieldPath) => string | undefined
}

/** More messages than this on one object help nobody. */
const MAX_MESSAGES = 20

/**
 * Makes a frozen Resource of an object as it was written: its kind is known, its name is one, its fields are those that the
 * published schema has. Fields that are set to null are left out where Kubernetes does so.
 */
export function readObject(
  value: unknown,
  origin: Origin | undefined,
  place: Place,
  options: ReadOptions = {},
): ReadResult {
  const refuse = (
    rule: string,
    path: FieldPath,
    problem: string,
    remedy: string,
    severity: Severity = 'error',
    foreign = false,
  ): ReadResult => ({
    messages: [message({ rule, severity, path, problem, remedy }, nameIn(value), place)],
    foreign,
  })
  if (!isMap(value)) {
    const what = Array.isArray(value) ? 'a list' : `a single value (${typeof value})`
    return refuse(
      'not-an-object',
      [],
      `this document is ${what}, not a Kubernetes object`,
      'write apiVersion, kind, metadata and spec',
    )
  }
  const { apiVersion, kind: kindName, metadata } = value
  if (apiVersion === undefined && kindName === undefined) {
    // Beside manifests lie values of charts, descriptions of APIs and the like.
    const foreign = metadata === undefined && value['spec'] === undefined
    return refuse(
      'not-an-object',
      [],
      'this document has neither apiVersion nor kind: it is no Kubernetes object',
      foreign ? 'nothing needs to be done, if it is not meant to be one' : 'add both',
      foreign ? 'warning' : 'error',
      foreign,
    )
  }
  if (typeof kindName !== 'string' || kindName === '') {
    return refuse(
      'missing-field',
      ['kind'],
      kindName === undefined ? 'is missing' : 'is not a string',
      'write the kind of the object, for example kind: Service',
    )
  }
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    const versions = Object.values(KINDS)
      .filter((one) => one.kind === kindName)
      .map(apiVersionOf)
    return refuse(
      'missing-field',
      ['apiVersion'],
      apiVersion === undefined ? 'is missing' : 'is not a string',
      `write apiVersion: ${versions.length > 0 ? versions.join(' or ') : 'GROUP/VERSION'}`,
    )
  }
  const kind = kindOf(apiVersion, kindName)
  if (!kind) {
    const { rule, severity, problem, remedy } = foreignKind(apiVersion, kindName)
    return refuse(
      rule,
      [rule === 'unsupported-version' ? 'apiVersion' : 'kind'],
      problem,
      remedy,
      severity,
      severity !== 'error',
    )
  }
  if (!isMap(metadata)) {
    return refuse(
      'missing-field',
      ['metadata'],
      metadata === undefined || metadata === null ? 'is missing' : 'is not a map',
      'write metadata with the name of the object',
    )
  }
  return readKnown(kind, value, metadata, origin, place, options)
}

function readKnown(
  kind: Kind,
  value: Record<string, unknown>,
  metadata: Record<string, unknown>,
  origin: Origin | undefined,
  place: Place,
  { namespace: defaultNamespace = 'default', validate: check = true }: ReadOptions,
): ReadResult {
  const { name, namespace: given } = metadata
  const found: Finding[] = []
  const add = (rule: string, path: FieldPath, problem: string, remedy: string, severity: Severity = 'error') => {
    found.push({ rule, severity, path, problem, remedy })
  }
  if (typeof name !== 'string') {
    const problem = name === undefined || name === null ? 'is missing' : `is ${JSON.stringify(name)}, must be a string`
    const remedy = metadata['generateName']
      ? 'give it a name of its own: generateName needs an API server'
      : name === undefined || name === null
        ? 'give the object a name'
        : `put it in quotes: "${name}"`
    add(name === undefined || name === null ? 'missing-field' : 'wrong-type', ['metadata', 'name'], problem, remedy)
  } else {
    const wrong = nameProblem(kind, name)
    if (wrong) add('bad-name', ['metadata', 'name'], wrong.problem, wrong.remedy)
  }
  const named = given !== undefined && given !== null && given !== ''
  if (named && !kind.namespaced) {
    add('namespace-ignored', ['metadata', 'namespace'], `a ${kind.kind} is in no namespace`, 'leave it out', 'warning')
  } else if (named && typeof given === 'string') {
    const wrong = labelProblem(given)
    if (wrong) add('bad-name', ['metadata', 'namespace'], wrong.problem, wrong.remedy)
  }
  const namespace = !kind.namespaced ? undefined : named ? String(given) : defaultNamespace
  const object = withoutNulls(kind, { ...value, metadata: withMetadata(metadata, namespace) })
  const identified = typeof name === 'string' && name !== ''
  if (check) {
    for (const finding of validate(kind, object, place.written)) {
      const told = found.some((one) => fieldText(one.path) === fieldText(finding.path))
      if (!told) found.push({ severity: 'error', ...finding })
    }
  }
  const shownName = identified ? `${kind.kind} ${keyOf({ metadata: object['metadata'] as ObjectMeta })}` : kind.kind
  const messages = found.slice(0, MAX_MESSAGES).map((finding) => message(finding, shownName, place))
  if (found.length > MAX_MESSAGES) {
    const rest: Finding = {
      rule: 'more-problems',
      severity: 'error',
      path: [],
      problem: `${found.length - MAX_MESSAGES} more problems are not shown`,
      remedy: 'mend those above first',
    }
    messages.push(message(rest, shownName, place))
  }
  if (found.some((finding) => finding.severity === 'error')) {
    if (!identified) return { messages, foreign: false }
    return {
      messages,
      rejected: { kind: kind.id, key: keyOf({ metadata: object['metadata'] as ObjectMeta }) },
      foreign: false,
    }
  }
  freeze(object)
  const resource = { ...object, [KIND]: kind.id, ...(origin ? { [ORIGIN]: origin } : {}) }
  return { resource: Object.freeze(resource) as unknown as Resource, messages }
}

interface Finding {
  readonly rule: string
  readonly severity: Severity
  readonly path: FieldPath
  readonly part?: 'key' | 'value'
  readonly problem: string
  readonly remedy: string
}

function message(finding: Finding, object: string | undefined, place: Place): Message {
  const { rule, severity, path, part = 'value', problem, remedy } = finding
  const position = place.locate?.(path, part)
  return {
    rule,
    severity,
    ...(object === undefined ? {} : { object }),
    ...(path.length === 0 ? {} : { field: fieldText(path) }),
    ...(position === undefined ? {} : { position }),
    problem,
    remedy,
  }
}

/** How to name something of which little can be told. */
function nameIn(value: unknown): string | undefined {
  if (!isMap(value) || typeof value['kind'] !== 'string') return undefined
  const { name, namespace } = isMap(value['metadata']) ? value['metadata'] : {}
  if (typeof name !== 'string') return value['kind']
  return `${value['kind']} ${typeof namespace === 'string' ? `${namespace}/` : ''}${name}`
}

function withMetadata(metadata: Record<string, unknown>, namespace: string | undefined): Record<string, unknown> {
  const { namespace: _, ...rest } = metadata
  return namespace === undefined ? rest : { ...rest, namespace }
}

/** API servers take null for "not set" in `metadata` and in kinds of Kubernetes itself, not in others. */
function withoutNulls(kind: Kind, object: Record<string, unknown>): Record<string, unknown> {
  if (kind.group === '' || !kind.group.includes('.') || kind.group === 'discovery.k8s.io') return dropNulls(object)
  return { ...object, metadata: dropNulls(object['metadata'] as Record<string, unknown>) }
}

function dropNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(dropNulls) as T
  if (!isMap(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null)
      .map(([key, field]) => [key, dropNulls(field)]),
  ) as T
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const field of Object.values(value)) freeze(field)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
