import type { ErrorObject } from 'ajv'
import { closest } from './did-you-mean.ts'
import type { FieldPath } from './resource.ts'

/** A JSON Schema as far as it is looked into. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly required?: readonly string[]
  readonly definitions?: Readonly<Record<string, JsonSchema>>
}

/** Something wrong with one field of an object. */
export interface FieldProblem {
  readonly rule: string
  readonly path: FieldPath
  /** Whether the field's name is wrong, or what it is set to. */
  readonly part: 'key' | 'value'
  readonly problem: string
  readonly remedy: string
}

/** Says in plain words what ajv (with `allErrors` and `verbose`) found in `object`, which is of `schema`. */
export function fieldProblems(errors: readonly ErrorObject[], object: unknown, schema: JsonSchema): FieldProblem[] {
  const problems: FieldProblem[] = []
  for (const error of errors) {
    // What single alternatives found is summed up by the error of the `oneOf` around them.
    if (/\/(oneOf|anyOf)\/\d+\/|\/not\//.test(error.schemaPath)) continue
    problems.push(fieldProblem(error, pathOf(error.instancePath, object), schema))
  }
  return problems
}

function fieldProblem(error: ErrorObject, path: FieldPath, root: JsonSchema): FieldProblem {
  const { keyword, data, params } = error
  const parent = (error.parentSchema ?? {}) as JsonSchema
  const found = (rule: string, problem: string, remedy: string): FieldProblem => {
    return { rule, path, part: 'value', problem, remedy }
  }
  switch (keyword) {
    case 'additionalProperties':
      return unknownField(String(params['additionalProperty']), path, parent, root)
    case 'required': {
      const name = String(params['missingProperty'])
      return {
        rule: 'missing-field',
        path: [...path, name],
        part: 'value',
        problem: 'is missing',
        remedy: `add ${name}`,
      }
    }
    case 'type':
      return found(
        'wrong-type',
        `is ${described(data)}, must be ${typeNames(params['type'])}`,
        typeRemedy(data, params['type']),
      )
    case 'enum':
      return found(
        'not-allowed-value',
        `is ${described(data)}, which is not allowed`,
        enumRemedy(data, params['allowedValues']),
      )
    case 'pattern': {
      const [right, remedy] = PATTERNS.get(String(params['pattern'])) ?? []
      return right && remedy
        ? found('wrong-format', `is ${described(data)}, must be ${right}`, remedy)
        : found('wrong-format', `is ${described(data)}, must match ${params['pattern']}`, 'write it in that form')
    }
    case 'format':
      return formatProblem(String(params['format']), data, found)
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return found(
        'too-short',
        `has ${count(data)}, must have at least ${params['limit']}`,
        Number(params['limit']) === 1 ? 'give it one, or leave the field out' : 'add what is missing',
      )
    case 'maxLength':
    case 'maxItems':
    case 'maxProperties':
      return found('too-long', `has ${count(data)}, must have at most ${params['limit']}`, 'shorten it')
    case 'minimum':
    case 'exclusiveMinimum':
    case 'maximum':
    case 'exclusiveMaximum':
      return found(
        'out-of-range',
        `is ${described(data)}, must be ${COMPARISONS[String(params['comparison'])]} ${params['limit']}`,
        rangeRemedy(parent),
      )
    case 'uniqueItems':
      return found(
        'duplicate-item',
        `has the same item twice (${params['j']} and ${params['i']}, counted from 0)`,
        'keep one of them',
      )
    case 'multipleOf':
      return found('out-of-range', `is ${described(data)}, must be a multiple of ${params['multipleOf']}`, 'round it')
    default:
      return alternatives(error, found)
  }
}

type Found = (rule: string, problem: string, remedy: string) => FieldProblem

function unknownField(name: string, path: FieldPath, parent: JsonSchema, root: JsonSchema): FieldProblem {
  const names = Object.keys(parent.properties ?? {})
  const near = closest(name, names)
  const elsewhere = near === undefined ? placeOf(name, parent, path, root) : undefined
  const remedy =
    near !== undefined
      ? `did you mean "${near}"?`
      : elsewhere !== undefined
        ? `it belongs ${elsewhere}: check the indentation`
        : names.length === 0
          ? 'leave it out: nothing can be set here'
          : names.length <= 12
            ? `use one of ${listed(names, 'and')}`
            : 'see the API reference for the fields that can be set here'
  return { rule: 'unknown-field', path: [...path, name], part: 'key', problem: 'there is no such field', remedy }
}

/** Where a field of that name may be: in one of the fields beside it, or further out. */
function placeOf(name: string, beside: JsonSchema, path: FieldPath, root: JsonSchema): string | undefined {
  for (const [sibling, schema] of Object.entries(beside.properties ?? {})) {
    const inside = resolved(schema, root)
    if (inside.properties?.[name]) return `inside "${sibling}"`
    if (inside.items && resolved(inside.items, root).properties?.[name]) return `inside an item of "${sibling}"`
  }
  for (let length = path.length - 1; length >= 0; length--) {
    const outer = path.slice(0, length)
    if (!schemaAt(root, outer)?.properties?.[name]) continue
    const owner = outer.findLast((step) => typeof step === 'string')
    return owner === undefined ? 'at the top of the object' : `further out, in "${owner}"`
  }
  return undefined
}

/** The schema of what is at a path; `undefined` where the schema does not say. */
export function schemaAt(root: JsonSchema, path: FieldPath): JsonSchema | undefined {
  let schema: JsonSchema | undefined = root
  for (const step of path) {
    if (!schema) return undefined
    const here: JsonSchema = resolved(schema, root)
    const { additionalProperties } = here
    schema =
      typeof step === 'number'
        ? here.items
        : (here.properties?.[step] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined))
  }
  return schema && resolved(schema, root)
}

function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const name = typeof schema['$ref'] === 'string' ? schema['$ref'].slice('#/definitions/'.length) : undefined
  return name === undefined ? schema : (root.definitions?.[name] ?? schema)
}

function described(value: unknown): string {
  if (value === null) return 'empty (null)'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return value === '' ? 'an empty string' : `the string ${shortened(JSON.stringify(value))}`
    case 'number':
      return `the number ${value}`
    case 'boolean':
      return `the boolean ${value}`
    default:
      return 'a map'
  }
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}..."` : text
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  null: 'empty',
}

function typeNames(type: unknown): string {
  const names = [type].flat().map((name) => TYPE_NAMES[String(name)] ?? String(name))
  return listed(names, 'or')
}

function typeRemedy(value: unknown, type: unknown): string {
  const types = [type].flat()
  const scalar = value !== null && typeof value !== 'object'
  if (value === null) return 'give it a value or leave the field out'
  if (types.includes('string') && scalar) return `put it in quotes: "${value}"`
  if (types.includes('array'))
    return scalar ? `write it as a list: [${JSON.stringify(value)}]` : 'write it as a list, with "- " before each item'
  if (types.includes('object'))
    return Array.isArray(value) ? 'write it as a map: leave out the "- "' : 'write it as a map of "key: value" lines'
  if (typeof value === 'string') {
    const plain = /^-?\d+$/.test(value)
      ? types.some((name) => name === 'integer' || name === 'number')
      : /^-?\d*\.?\d+$/.test(value)
        ? types.includes('number')
        : /^(true|false)$/.test(value) && types.includes('boolean')
    if (plain) return `write ${value} without quotes`
  }
  if (typeof value === 'number' && types.includes('integer')) return 'write a whole number'
  if (types.includes('boolean')) return 'write true or false'
  if (types.includes('integer')) return 'write a whole number'
  return types.includes('string') ? 'write one value, not several' : `write ${typeNames(type)}`
}

function enumRemedy(value: unknown, allowed: unknown): string {
  const values = (Array.isArray(allowed) ? allowed : []).filter((one) => one !== null).map(String)
  const near = typeof value === 'string' ? closest(value, values) : undefined
  const all = `use ${values.length === 1 ? '' : 'one of '}${listed(values, 'and')}`
  return near === undefined ? all : `did you mean "${near}"? It can be ${listed(values, 'or')}`
}

const COMPARISONS: Readonly<Record<string, string>> = {
  '>=': 'at least',
  '>': 'more than',
  '<=': 'at most',
  '<': 'less than',
}

function rangeRemedy(schema: JsonSchema): string {
  const { minimum, maximum } = schema
  return typeof minimum === 'number' && typeof maximum === 'number'
    ? `use a number from ${minimum} to ${maximum}`
    : 'use a number in that range'
}

function count(value: unknown): string {
  if (typeof value === 'string') return value.length === 1 ? '1 character' : `${value.length} characters`
  if (Array.isArray(value)) return value.length === 1 ? '1 item' : `${value.length} items`
  const fields = Object.keys(value as object).length
  return fields === 1 ? '1 entry' : `${fields} entries`
}

const FORMATS: Readonly<Record<string, readonly [right: string, remedy: string]>> = {
  'date-time': ['a date and time as in RFC 3339', 'write it as "2026-01-31T12:00:00Z"'],
  byte: ['base64', 'encode it with "base64 -w0", or use stringData where there is one'],
  ipv4: ['an IPv4 address', 'write it as 10.0.0.1'],
  ipv6: ['an IPv6 address', 'write it as 2001:db8::1'],
  int32: ['an integer of 32 bits', 'use a number from -2147483648 to 2147483647'],
  int64: ['an integer of 64 bits', 'use a whole number'],
}

function formatProblem(format: string, data: unknown, found: Found): FieldProblem {
  const [right, remedy] = FORMATS[format] ?? [`of format ${format}`, 'write it in that form']
  // What is base64 may be a secret: it is not shown.
  const value = format === 'byte' ? 'not base64' : described(data)
  return found('wrong-format', `is ${value}, must be ${right}`, remedy)
}

const NAME = 'lower case letters, digits and "-"'
const PATTERNS: ReadonlyMap<string, readonly [right: string, remedy: string]> = new Map([
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', [`one DNS label (${NAME})`, 'leave out dots and other characters']],
])

/** A rule of which fields go together: `oneOf`, `anyOf`, `not`. */
function alternatives(error: ErrorObject, found: Found): FieldProblem {
  const names = [...JSON.stringify(error.schema).matchAll(/"required":\["([^"]+)"\]/g)].map(([, name]) => String(name))
  const choices = [...new Set(names)]
  const data: object = typeof error.data === 'object' && error.data !== null ? error.data : {}
  const set = choices.filter((name) => Object.hasOwn(data, name))
  if (choices.length > 0 && set.length > 1) {
    return found(
      'exclusive-fields',
      `sets ${listed(set, 'and')}, of which only one can be set`,
      `keep one of ${listed(set, 'and')}`,
    )
  }
  if (choices.length > 0 && set.length === 0) {
    return found('missing-field', `sets none of ${listed(choices, 'and')}`, `set one of ${listed(choices, 'and')}`)
  }
  return found(
    'not-allowed-value',
    'holds values that do not go together',
    'see the API reference for what this field may hold',
  )
}

/** `a, b and c`, with quotes. */
function listed(names: readonly string[], word: 'and' | 'or'): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1)}`
}

/** A JSON pointer as a path: what indexes a list is a number. */
function pathOf(pointer: string, object: unknown): FieldPath {
  const path: (string | number)[] = []
  let value = object
  for (const part of pointer.split('/').slice(1)) {
    const step = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const key = Array.isArray(value) ? Number(step) : step
    path.push(key)
    value = (value as Record<string | number, unknown> | undefined)?.[key]
  }
  return path
}
