import { createRequire } from 'node:module'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { parseDuration } from './duration.ts'
import type { Kind, KindId } from './kinds.ts'
import type { FieldPath } from './resource.ts'
import type { JsonSchema } from './schema.ts'
import { type FieldProblem, fieldProblems } from './schema-problem.ts'
import { uniqueBy } from './unique-by.ts'

const require = createRequire(import.meta.url)

interface Validator {
  readonly schema: JsonSchema
  readonly validate: ValidateFunction
}

const validators = new Map<KindId, Validator>()
let ajv: Ajv | undefined

/**
 * What the published schema of a kind finds wrong with an object, in plain words; nothing where it is right. Rules that
 * the schemas state in CEL are not among them. The first object of a kind costs the time to load its schema.
 *
 * @param written the text that a scalar has in the file, where there is one
 */
export function validate(
  kind: Kind,
  object: unknown,
  written?: (path: FieldPath) => string | undefined,
): FieldProblem[] {
  const { schema, validate } = validatorOf(kind)
  if (validate(object)) return []
  const secret = ([field]: FieldPath) => kind.id === 'core/Secret' && (field === 'data' || field === 'stringData')
  return fieldProblems(validate.errors ?? [], object, { schema, written, secret })
}

/** The JSON Schema of a kind, as `npm run setup` made it of the published definition. */
export function schemaOf(kind: Kind): JsonSchema {
  return validatorOf(kind).schema
}

function validatorOf(kind: Kind): Validator {
  const known = validators.get(kind.id)
  if (known) return known
  const schema = require(`#gen/schemas/${kind.id.replace('/', '_')}.json`) as JsonSchema
  ajv ??= newAjv()
  const validator = { schema, validate: ajv.compile(schema) }
  validators.set(kind.id, validator)
  return validator
}

function newAjv(): Ajv {
  const made = new Ajv({
    allErrors: true,
    verbose: true,
    strict: false,
    validateFormats: true,
    logger: false,
    // Code made tidy takes three times as long to make, and runs no faster: each command would wait for it.
    code: { optimize: false },
  })
  addFormats.default(made, ['date-time', 'ipv4', 'ipv6', 'int32', 'int64', 'double'])
  // Base64 as Go's decoder takes it: line breaks do not count.
  made.addFormat('byte', (text: string) => {
    const digits = text.replaceAll(/[\r\n]/g, '')
    return digits.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(digits)
  })
  made.addFormat('duration', (text: string) => isDuration(text, 1))
  made.addFormat('duration-or-zero', (text: string) => isDuration(text, 0))
  made.addKeyword(uniqueBy)
  return made
}

/** More than anybody means, and more than Envoy has room for in some places. */
const CENTURY_MS = 100 * 365.25 * 24 * 3_600_000

/** Whether it is a duration as Istio writes them, of at least so many milliseconds. */
function isDuration(text: string, leastMs: number): boolean {
  const duration = parseDuration(text)
  return duration.ok && duration.milliseconds >= leastMs && duration.milliseconds <= CENTURY_MS
}
