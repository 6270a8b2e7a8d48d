import { addressRange, portNumber } from '../../mesh/authorization/address-range.ts'
import { CONDITION_KEYS, conditionKey } from '../../mesh/authorization/condition-key.ts'
import { isPathTemplate, pathTemplate } from '../../mesh/authorization/path-template.ts'
import { closest } from '../../resources/did-you-mean.ts'
import type { AuthorizationPolicy, AuthorizationPolicySpec } from '../../resources/istio.ts'
import type { FieldPath } from '../../resources/resource.ts'
import type { Check } from '../check.ts'

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]
type Lists = Readonly<Record<string, readonly string[] | undefined>>

interface Found {
  readonly path: FieldPath
  readonly problem: string
  readonly remedy: string
}

export const impossibleAuthorizationRule: Check = {
  rule: 'impossible-authorization-rule',
  severity: 'error',
  about:
    'A rule of an AuthorizationPolicy has a part that cannot be understood: an ALLOW then lets nothing through by it, other actions leave that part out.',
  *find(snapshot) {
    for (const resource of snapshot.all('security.istio.io/AuthorizationPolicy').values()) {
      for (const [index, rule] of (resource.spec?.rules ?? []).entries()) {
        for (const { path, problem, remedy } of found(rule)) {
          yield {
            resource,
            path: ['spec', 'rules', index, ...path],
            problem: `${problem}: ${consequence(resource)}`,
            remedy,
          }
        }
      }
    }
  },
}

function consequence({ spec }: AuthorizationPolicy): string {
  const action = spec?.action ?? 'ALLOW'
  return action === 'ALLOW' || action === 'AUDIT'
    ? 'nothing matches it'
    : 'it is left out, and the rule matches more than was meant'
}

function* found(rule: Rule): Iterable<Found> {
  for (const [i, { source }] of (rule.from ?? []).entries()) yield* lists(source, ['from', i, 'source'], SOURCE)
  for (const [i, { operation }] of (rule.to ?? []).entries()) yield* lists(operation, ['to', i, 'operation'], OPERATION)
  for (const [i, condition] of (rule.when ?? []).entries()) {
    const { key, values, notValues } = condition
    const known = conditionKey(key)
    if (!known) {
      const near = closest(key, CONDITION_KEYS)
      yield {
        path: ['when', i, 'key'],
        problem: `there is no condition key "${key}"`,
        remedy: near ? `write "${near}" if that was meant` : `use one of ${CONDITION_KEYS.join(', ')}`,
      }
    } else if (!values?.length && !notValues?.length) {
      yield { path: ['when', i], problem: 'the condition has no values', remedy: 'set values or notValues' }
    } else {
      const form = CONDITIONS[known.attribute]
      if (form) yield* lists({ values, notValues }, ['when', i], { values: form, notValues: form })
    }
  }
}

/** What the values of a list have to be. */
interface Form {
  readonly takes: (value: string) => boolean
  readonly right: string
}

const RANGE: Form = {
  takes: (value) => addressRange(value) !== undefined,
  right: 'an address or a range of addresses such as 10.0.0.0/8',
}
const PORT: Form = { takes: (value) => portNumber(value) !== undefined, right: 'a port from 1 to 65535' }
const PATH: Form = {
  takes: (value) => !isPathTemplate(value) || pathTemplate(value) !== undefined,
  right: 'a path in which {*} and {**} are whole segments, {**} once at most, and without other wildcards',
}
const ACCOUNT: Form = {
  takes: (value) => /^[^/*]+(\/[^/*]+)?$/.test(value),
  right: 'the name of a service account, or NAMESPACE/NAME, without wildcards',
}

const SOURCE: Readonly<Record<string, Form>> = {
  ipBlocks: RANGE,
  notIpBlocks: RANGE,
  remoteIpBlocks: RANGE,
  notRemoteIpBlocks: RANGE,
  serviceAccounts: ACCOUNT,
  notServiceAccounts: ACCOUNT,
}
const OPERATION: Readonly<Record<string, Form>> = { ports: PORT, notPorts: PORT, paths: PATH, notPaths: PATH }
const CONDITIONS: Readonly<Record<string, Form>> = {
  'source.ip': RANGE,
  'remote.ip': RANGE,
  'destination.ip': RANGE,
  'destination.port': PORT,
  'source.serviceAccount': ACCOUNT,
}

function* lists(
  given: Lists | undefined | null,
  path: FieldPath,
  forms: Readonly<Record<string, Form>>,
): Iterable<Found> {
  if (!Object.values(given ?? {}).some((list) => list && list.length > 0)) {
    yield {
      path,
      problem: 'it says nothing',
      remedy: 'say what is meant, or remove it together with the list that it is in to mean anything',
    }
  }
  for (const [name, { takes, right }] of Object.entries(forms)) {
    for (const [i, value] of (given?.[name] ?? []).entries())
      if (!takes(value)) yield { path: [...path, name, i], problem: `"${value}" is not ${right}`, remedy: 'correct it' }
  }
}
