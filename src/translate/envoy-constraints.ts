import {
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  isMessage,
  type MessageShape,
} from '@bufbuild/protobuf'
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect'
import { type Any, AnySchema, anyUnpack, DurationSchema, durationMs } from '@bufbuild/protobuf/wkt'
import { RegexMatcherSchema } from '#envoy/type/matcher/v3/regex'
import {
  type FieldRules,
  KnownRegex,
  type RepeatedRules,
  required,
  rules,
  type StringRules,
} from '#proto/validate/validate'
import { re2Error } from '../analysis/re2-syntax.ts'
import { packedTypes } from './typed-config.ts'

/**
 * What Envoy would refuse a message for, by the constraints that its API declares (protoc-gen-validate's) and by its regular expressions;
 * undefined where there is nothing. What Envoy checks in code only is not known here.
 */
export function constraintProblem<D extends DescMessage>(schema: D, message: MessageShape<D>): string | undefined {
  for (const problem of problemsOf(reflect(schema, message))) return problem
  return undefined
}

function* problemsOf(message: ReflectMessage): Iterable<string> {
  const { desc } = message
  if (isMessage(message.message, AnySchema)) {
    yield* problemsOfPacked(message.message)
    return
  }
  if (isMessage(message.message, RegexMatcherSchema)) {
    const error = re2Error(message.message.regex)
    if (error) yield `"${message.message.regex}" is not a regular expression: ${error}`
  }
  for (const oneof of desc.oneofs)
    if (oneof.proto.options && hasOption(oneof, required) && !message.oneofCase(oneof))
      yield `${desc.name}.${oneof.name} is not set`
  for (const field of desc.fields) yield* problemsOfField(message, field)
}

function* problemsOfPacked(any: Any): Iterable<string> {
  const registry = packedTypes()
  const schema = registry.getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1))
  const message = schema && anyUnpack(any, schema)
  if (schema && message) yield* problemsOf(reflect(schema, message))
}

function* problemsOfField(message: ReflectMessage, field: DescField): Iterable<string> {
  const name = `${message.desc.name}.${field.name}`
  const declared = hasOption(field, rules) ? getOption(field, rules) : undefined
  if (!message.isSet(field)) {
    if (field.oneof) return
    if (declared && isRequired(declared)) yield `${name} is not set`
    // Of what may be absent there is nothing more to check; of what may not, zero is a value as any other.
    if (field.fieldKind === 'message' || field.presence === EXPLICIT) return
  }
  const problem = declared && ruleProblem(declared, checkedValue(message, field))
  if (problem) yield `${name} ${problem}`
  if (field.fieldKind === 'message') yield* problemsOf(message.get(field))
  else if (field.fieldKind === 'list' && field.listKind === 'message')
    for (const item of message.get(field)) yield* problemsOf(item as ReflectMessage)
  else if (field.fieldKind === 'map' && field.mapKind === 'message')
    for (const [, value] of message.get(field)) yield* problemsOf(value as ReflectMessage)
}

/** google.protobuf's FeatureSet.FieldPresence. */
const EXPLICIT = 1

/** A list as an array; a wrapped number or text (`google.protobuf.UInt32Value`) as what it wraps; a Duration in milliseconds. */
function checkedValue(message: ReflectMessage, field: DescField): unknown {
  if (field.fieldKind === 'list') return [...message.get(field)]
  if (field.fieldKind !== 'message') return message.get(field)
  const inner: ReflectMessage = message.get(field)
  if (isMessage(inner.message, DurationSchema)) return durationMs(inner.message)
  const wrapped = field.message.typeName.startsWith('google.protobuf.') && field.message.field['value']
  return wrapped ? inner.get(wrapped) : inner
}

function isRequired({ message, type }: FieldRules): boolean {
  return message?.required === true || ((type.case === 'duration' || type.case === 'any') && type.value.required)
}

function ruleProblem({ type }: FieldRules, value: unknown): string | undefined {
  switch (type.case) {
    case 'string':
      return textProblem(type.value, String(value))
    case 'repeated':
      return listProblem(type.value, value as readonly unknown[])
    case 'duration': {
      const { gt, gte } = type.value
      if (gt && Number(value) <= durationMs(gt)) return `is not more than ${durationMs(gt)} ms`
      return gte && Number(value) < durationMs(gte) ? `is less than ${durationMs(gte)} ms` : undefined
    }
    case 'uint32':
    case 'int32':
    case 'uint64':
    case 'int64':
    case 'double':
      return numberProblem(type.value, Number(value))
    default:
      return undefined
  }
}

type Bounds = { readonly [bound in 'lt' | 'lte' | 'gt' | 'gte']: number | bigint }

/** The rules' fields have defaults: only their own are bounds. */
function numberProblem(bounds: Bounds, value: number): string | undefined {
  const bound = (name: keyof Bounds) => (Object.hasOwn(bounds, name) ? Number(bounds[name]) : undefined)
  const [lt, lte, gt, gte] = [bound('lt'), bound('lte'), bound('gt'), bound('gte')]
  if (lt !== undefined && value >= lt) return `is ${value}, not less than ${lt}`
  if (lte !== undefined && value > lte) return `is ${value}, more than ${lte}`
  if (gt !== undefined && value <= gt) return `is ${value}, not more than ${gt}`
  if (gte !== undefined && value < gte) return `is ${value}, less than ${gte}`
  return undefined
}

function textProblem(text: StringRules, value: string): string | undefined {
  const own = (name: keyof StringRules) => Object.hasOwn(text, name)
  if (own('minLen') && value.length < Number(text.minLen)) return 'is empty'
  if (own('maxBytes') && Buffer.byteLength(value) > Number(text.maxBytes))
    return `is longer than ${text.maxBytes} bytes`
  if (own('pattern') && !new RegExp(text.pattern).test(value))
    return `is "${value}", which does not match ${text.pattern}`
  if (text.wellKnown.case === 'wellKnownRegex' && value !== '') {
    const pattern = HEADER_PATTERNS[text.wellKnown.value]?.[text.strict ? 'strict' : 'loose']
    if (pattern && !pattern.test(value)) return `is ${JSON.stringify(value)}, which no header can have`
  }
  return undefined
}

/** protoc-gen-validate's HTTP_HEADER_NAME and HTTP_HEADER_VALUE. */
const HEADER_PATTERNS: Readonly<Partial<Record<KnownRegex, { strict: RegExp; loose: RegExp }>>> = {
  [KnownRegex.HTTP_HEADER_NAME]: { strict: /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/, loose: /^[^\0\n\r]+$/ },
  [KnownRegex.HTTP_HEADER_VALUE]: { strict: /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u, loose: /^[^\0\n\r]*$/ },
}

function listProblem(list: RepeatedRules, value: readonly unknown[]): string | undefined {
  if (Object.hasOwn(list, 'minItems') && value.length < Number(list.minItems)) return 'has too few items'
  if (Object.hasOwn(list, 'maxItems') && value.length > Number(list.maxItems)) return 'has too many items'
  for (const item of value) {
    const problem = list.items && ruleProblem(list.items, item)
    if (problem) return `has an item that ${problem}`
  }
  return undefined
}
