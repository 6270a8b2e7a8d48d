import type { ErrorObject } from 'ajv'
import { closest } from './did-you-mean.ts'
import { fieldText } from './message.ts'
import type { FieldPath } from './resource.ts'
import type { ResourceRule } from './rules.ts'
import type { JsonSchema } from './schema.ts'
import { FORMATS, PATTERNS } from './text-forms.ts'
import { unknownFieldRemedy } from './unknown-field.ts'
import { count, described, describedType, listed, typeNames } from './value-words.ts'

/** Something wrong with one field of an object. */
export interface FieldProblem {
  readonly rule: ResourceRule
  readonly path: FieldPath
  /** Whether the field's name is wrong, or what it is set to. */
  readonly part: 'key' | 'value'
  readonly problem: string
  readonly remedy: string
}

/** What is known of an object beyond its value. */
export interface ProblemContext {
  readonly schema: JsonSchema
  /** A scalar as it stands in the file: `1.10` for what YAML takes for the number 1.1. */
  readonly written?: ((path: FieldPath) => string | undefined) | undefined
  /** Whether what is there must not appear in a message. */
  readonly secret?: (path: FieldPath) => boolean
}

/** Says in plain words what ajv (with `allErrors` and `verbose`) found in `object`. */
export function fieldProblems(
  errors: readonly ErrorObject[],
  object: unknown,
  context: ProblemContext,
): FieldProblem[] {
  const problems: FieldProblem[] = []
  const misspelled = new Set<string>()
  for (const error of errors) {
    // What single alternatives found is summed up by the error of the `oneOf` around them.
    if (/\/(oneOf|anyOf)\/\d+\/|\/not\//.test(error.schemaPath)) continue
    const path = pathOf(error.instancePath, object)
    problems.push(fieldProblem(error, path, context))
    if (error.keyword === 'additionalProperties') {
      const near = closest(String(error.params['additionalProperty']), fieldsOf(error))
      if (near !== undefined) misspelled.add(fieldText([...path, near]))
    }
  }
  const mistyped = new Set(problems.filter(({ rule }) => rule === 'wrong-type').map(({ path }) => fieldText(path)))
  return problems.filter(({ rule, path }) => {
    // A field that is there, but misspelled, is not also missing; what is of another type has no format and no limits.
    if (rule === 'missing-field') return !misspelled.has(fieldText(path))
    return rule === 'wrong-type' || rule === 'unknown-field' || !mistyped.has(fieldText(path))
  })
}

type Found = (rule: ResourceRule, problem: string, remedy: string) => FieldProblem

function fieldProblem(error: ErrorObject, path: FieldPath, context: ProblemContext): FieldProblem {
  const { keyword, data, params } = error
  const is = `is ${context.secret?.(path) ? describedType(data) : described(data)}`
  const limit = String(params['limit'])
  const found: Found = (rule, problem, remedy) => ({ rule, path, part: 'value', problem, remedy })
  switch (keyword) {
    case 'additionalProperties': {
      const name = String(params['additionalProperty'])
      const remedy = unknownFieldRemedy(name, path, error.parentSchema as JsonSchema, context.schema)
      return { rule: 'unknown-field', path: [...path, name], part: 'key', problem: 'there is no such field', remedy }
    }
    case 'required': {
      const name = String(params['missingProperty'])
      return { ...found('missing-field', 'is missing', `add ${name}`), path: [...path, name] }
    }
    case 'type': {
      const text = context.secret?.(path) ? '...' : (context.written?.(path) ?? String(data))
      return found('wrong-type', `${is}, must be ${typeNames(params['type'])}`, typeRemedy(data, params['type'], text))
    }
    case 'enum':
      return found('not-allowed-value', `${is}, which is not allowed`, enumRemedy(data, params['allowedValues']))
    case 'pattern': {
      const form = PATTERNS[String(params['pattern'])]
      if (form) return found('wrong-format', `${is}, must be ${form.right}`, form.remedy)
      return found('wrong-format', `${is}, must match ${params['pattern']}`, 'write it in that form')
    }
    case 'format': {
      const form = FORMATS[String(params['format'])]
      if (form) return found('wrong-format', `${is}, must be ${form.right}`, form.remedy)
      return found('wrong-format', `${is}, must be of the format ${params['format']}`, 'write it in that form')
    }
    case 'minLength':
    case 'minItems':
    case 'minProperties': {
      const remedy = limit === '1' ? 'give it one, or leave the field out if it can be' : 'add what is missing'
      return found('too-short', `has ${count(data)}, must have at least ${limit}`, remedy)
    }
    case 'maxLength':
    case 'maxItems':
    case 'maxProperties':
      return found('too-long', `has ${count(data)}, must have at most ${limit}`, 'shorten it, or split the object')
    case 'minimum':
    case 'exclusiveMinimum':
    case 'maximum':
    case 'exclusiveMaximum': {
      const problem = `${is}, must be ${COMPARISONS[String(params['comparison'])]} ${limit}`
      return found('out-of-range', problem, rangeRemedy(error.parentSchema as JsonSchema))
    }
    case 'uniqueBy': {
      const { index, first, field } = params
      const same = field === '' ? 'is in the list already' : `has the same ${field} as another item`
      const remedy = field === '' ? 'keep one of them' : `give it another ${field}, or keep one of them`
      return { ...found('duplicate-item', `${same}, item ${first} (counted from 0)`, remedy), path: [...path, index] }
    }
    default:
      return togetherProblem(error, found)
  }
}

/** A rule of which fields may be set together: `oneOf`, `anyOf`, `not`. */
function togetherProblem(error: ErrorObject, found: Found): FieldProblem {
  const lists = JSON.stringify(error.schema).matchAll(/"required":(\[[^\]]+\])/g)
  const choices = [...new Set([...lists].flatMap(([, list = '[]']) => JSON.parse(list) as string[]))]
  const data: object = typeof error.data === 'object' && error.data !== null ? error.data : {}
  const set = choices.filter((name) => Object.hasOwn(data, name))
  if (set.length > 1) {
    const both = listed(set, 'and')
    return found('exclusive-fields', `sets ${both}, of which only one can be set`, `keep one of ${both}`)
  }
  if (choices.length > 0 && set.length === 0) {
    const all = listed(choices, 'and')
    return found('missing-field', `sets none of ${all}`, `set one of ${all}`)
  }
  const remedy = 'see the API reference for what may be set together'
  return found('not-allowed-value', 'holds values that do not go together', remedy)
}

function typeRemedy(value: unknown, type: unknown, written: string): string {
  const types = [type].flat()
  const wanted = (...some: string[]) => some.some((name) => types.includes(name))
  if (value === null) return 'give it a value or leave the field out'
  const scalar = typeof value !== 'object'
  if (scalar && wanted('string')) return `put it in quotes: "${written}"`
  if (wanted('array'))
    return scalar ? 'put it into a list, after "- "' : 'write it as a list, with "- " before each item'
  if (wanted('object')) {
    return Array.isArray(value) ? 'write it as a map, without "- "' : 'write it as a map, of lines "key: value"'
  }
  if (typeof value === 'string') {
    const unquoted =
      (/^-?\d+$/.test(value) && wanted('integer', 'number')) ||
      (/^-?\d*\.\d+$/.test(value) && wanted('number')) ||
      (/^(true|false)$/.test(value) && wanted('boolean'))
    if (unquoted) return `write it without quotes: ${value}`
  }
  if (wanted('boolean')) return 'write true or false'
  if (wanted('integer')) return 'write a whole number'
  return wanted('string') ? 'write a single value' : `write ${typeNames(type)}`
}

function enumRemedy(value: unknown, allowed: unknown): string {
  const values = (Array.isArray(allowed) ? allowed : []).filter((one) => one !== null).map(String)
  const near = typeof value === 'string' ? closest(value, values) : undefined
  if (near !== undefined) return `did you mean "${near}"? It can be ${listed(values, 'or')}`
  return `use ${values.length === 1 ? '' : 'one of '}${listed(values, 'and')}`
}

const COMPARISONS: Readonly<Record<string, string>> = {
  '>=': 'at least',
  '>': 'more than',
  '<=': 'at most',
  '<': 'less than',
}

function rangeRemedy({ minimum, maximum }: JsonSchema): string {
  return typeof minimum === 'number' && typeof maximum === 'number'
    ? `use a number from ${minimum} to ${maximum}`
    : 'use a number in that range'
}

function fieldsOf(error: ErrorObject): string[] {
  return Object.keys((error.parentSchema as JsonSchema | undefined)?.properties ?? {})
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
