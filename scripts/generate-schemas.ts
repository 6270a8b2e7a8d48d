import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile, type JSONSchema } from 'json-schema-to-typescript'
import { parseAllDocuments } from 'yaml'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const VENDORED = ['istio.yaml', 'gateway-api.yaml', 'kubernetes.json'].map((name) =>
  join(root, 'src/resources/vendor', name),
)

/** Definitions of Weft's own kinds: one file for each of our API groups. */
const OWN = readdirSync(join(root, 'src/resources/weft'))
  .filter((name) => name.endsWith('.yaml'))
  .sort()
  .map((name) => join(root, 'src/resources/weft', name))

/** The kinds in `kubernetes.json` that are objects of their own, with their groups. */
const CORE: Readonly<Record<string, string>> = {
  'io.k8s.api.core.v1.Namespace': 'core',
  'io.k8s.api.core.v1.Service': 'core',
  'io.k8s.api.core.v1.ServiceAccount': 'core',
  'io.k8s.api.core.v1.Pod': 'core',
  'io.k8s.api.core.v1.Node': 'core',
  'io.k8s.api.core.v1.Secret': 'core',
  'io.k8s.api.core.v1.ConfigMap': 'core',
  'io.k8s.api.apps.v1.Deployment': 'apps',
  'io.k8s.api.discovery.v1.EndpointSlice': 'discovery.k8s.io',
}

/** What the definitions of Kubernetes call `string`, and accept more for. */
const SCALARS: Readonly<Record<string, Schema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['integer', 'string'] },
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
}

const PORT = { type: 'integer', minimum: 1, maximum: 65535 }
const PROTOCOL = { type: 'string', enum: ['TCP', 'UDP', 'SCTP'] }

/** What API servers check in code, as the definitions do not say it: the fields that a mesh reads. */
const CHECKS: Readonly<Record<string, Readonly<Record<string, Schema>>>> = {
  'io.k8s.api.core.v1.ServicePort': { port: PORT, protocol: PROTOCOL },
  'io.k8s.api.core.v1.ContainerPort': { containerPort: PORT, protocol: PROTOCOL },
  'io.k8s.api.core.v1.ServiceSpec': {
    type: { type: 'string', enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] },
    sessionAffinity: { type: 'string', enum: ['None', 'ClientIP'] },
    internalTrafficPolicy: { type: 'string', enum: ['Cluster', 'Local'] },
    externalTrafficPolicy: { type: 'string', enum: ['Cluster', 'Local'] },
  },
  'io.k8s.api.apps.v1.DeploymentSpec': { replicas: { type: 'integer', minimum: 0 } },
  'io.k8s.api.discovery.v1.EndpointPort': { port: PORT, protocol: PROTOCOL },
  'io.k8s.api.discovery.v1.EndpointSlice': { addressType: { type: 'string', enum: ['IPv4', 'IPv6', 'FQDN'] } },
}

const NOT_NEGATIVE = { minimum: 0 }
const PERCENT = { minimum: 0, maximum: 100 }
const STATUS = { minimum: 200, maximum: 599 }
const GRPC_STATUS = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/**
 * What Istio checks when it takes an object in, by kind and the field's name wherever it stands in the kind: values that Envoy has no place
 * for, or refuses.
 */
const CUSTOM_CHECKS: Readonly<Record<string, Readonly<Record<string, Schema>>>> = {
  VirtualService: {
    attempts: NOT_NEGATIVE,
    grpcStatus: { enum: GRPC_STATUS },
    httpStatus: STATUS,
    percent: PERCENT,
    redirectCode: { enum: [301, 302, 303, 307, 308] },
    status: STATUS,
    value: PERCENT,
  },
  DestinationRule: {
    budgetInterval: { format: 'duration-or-zero' },
    http1MaxPendingRequests: NOT_NEGATIVE,
    http2MaxRequests: NOT_NEGATIVE,
    idleTimeout: { format: 'duration-or-zero' },
    maxConcurrentStreams: NOT_NEGATIVE,
    maxConnections: NOT_NEGATIVE,
    maxEjectionPercent: PERCENT,
    maxRequestsPerConnection: NOT_NEGATIVE,
    maxRetries: NOT_NEGATIVE,
    minHealthPercent: PERCENT,
    ttl: { format: 'duration-or-zero' },
  },
}

/** Rules in CEL that JSON Schema can say as well, and whose words people understand. */
const CEL_RULES: Readonly<Record<string, Schema>> = {
  "duration(self) >= duration('1ms')": { format: 'duration' },
  '0 < self && self <= 65535': { minimum: 1, maximum: 65535 },
  '!self.contains("*")': { pattern: '^[^*]*$' },
  'self.all(l1, self.exists_one(l2, l1.number == l2.number))': { uniqueBy: 'number' },
}

/** The rule that of two fields one can be set at most. */
const AT_MOST_ONE = /^\(has\(self\.(\w+)\) \? 1 : 0\) \+ \(has\(self\.(\w+)\) \? 1 : 0\) <= 1$/

/** A JSON Schema, or the OpenAPI variety of it in which Kubernetes publishes. */
interface Schema {
  [keyword: string]: unknown
  type?: string | string[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
}

interface CustomResourceDefinition {
  spec: {
    group: string
    names: { kind: string }
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[]
  }
}

/** Changes when the output would. */
export function schemaInputs(): string {
  const hash = createHash('sha256')
  for (const file of [...VENDORED, ...OWN, fileURLToPath(import.meta.url)]) hash.update(readFileSync(file))
  return hash.digest('hex')
}

/**
 * Writes, below `out`, `schemas/GROUP_KIND.json`, by which objects of a kind are validated, and `types/`, the
 * TypeScript types of what is in them (`GROUP_KIND.d.ts` with `spec` and `status`; `core.d.ts` for all core kinds).
 */
export async function generateSchemas(out: string): Promise<void> {
  for (const folder of ['schemas', 'types']) {
    rmSync(join(out, folder), { recursive: true, force: true })
    mkdirSync(join(out, folder), { recursive: true })
  }
  const [istio, gatewayApi, kubernetes] = VENDORED.map((file) => readFileSync(file, 'utf8')) as [string, string, string]
  const definitions = (JSON.parse(kubernetes) as { definitions: Record<string, Schema> }).definitions
  Object.assign(definitions, SCALARS)
  for (const definition of Object.values(definitions)) {
    // For its own kinds Kubernetes means these for merging only: a variable may well be set twice.
    for (const field of Object.values(definition.properties ?? {})) {
      delete field['x-kubernetes-list-type']
      delete field['x-kubernetes-list-map-keys']
    }
  }

  for (const [name, fields] of Object.entries(CHECKS)) Object.assign(definitions[name]?.properties ?? {}, fields)

  const own = OWN.map((file) => readFileSync(file, 'utf8'))
  for (const document of [istio, gatewayApi, ...own].flatMap((text) => [...parseAllDocuments(text)])) {
    const { group, names, versions } = (document.toJS() as CustomResourceDefinition).spec
    const newest = versions.toSorted((a, b) => maturity(b.name) - maturity(a.name))[0]?.schema.openAPIV3Schema
    const { spec, status } = newest?.properties ?? {}
    if (!newest || !spec) throw new Error(`the definition of ${names.kind} has no spec`)
    const checked = withChecks(spec, CUSTOM_CHECKS[names.kind] ?? {})
    const schema = objectSchema({ spec: checked, status: {} }, newest['required'])
    writeFileSync(join(out, 'schemas', `${group}_${names.kind}.json`), validationSchema(schema, definitions))
    const types = await compile(typeSchema(spec), `${names.kind}Spec`, TYPES)
    const statusTypes = status ? await compile(typeSchema(status), `${names.kind}Status`, TYPES) : ''
    writeFileSync(join(out, 'types', `${group}_${names.kind}.d.ts`), `${types}\n${statusTypes}`)
  }

  for (const [name, group] of Object.entries(CORE)) {
    const definition = definitions[name]
    if (!definition) throw new Error(`kubernetes.json has no ${name}`)
    const fields = { ...definition.properties }
    if (fields['status']) fields['status'] = {}
    const schema = objectSchema(fields, definition['required'])
    writeFileSync(join(out, 'schemas', `${group}_${lastName(name)}.json`), validationSchema(schema, definitions))
  }
  writeFileSync(join(out, 'types/core.d.ts'), await coreTypes(definitions))
}

const TYPES = {
  bannerComment: '/* Generated by scripts/generate-schemas.ts */',
  additionalProperties: false,
  ignoreMinAndMaxItems: true,
  format: false,
}

/** `v1` before `v1beta1` before `v1alpha3` before `v1alpha1`. */
function maturity(version: string): number {
  const [, major, stage, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? []
  return Number(major) * 100 + (stage === undefined ? 90 : stage === 'beta' ? 50 : 10) + Number(minor ?? 0)
}

function objectSchema(fields: Record<string, Schema>, required: unknown): Schema {
  const text = { type: 'string' }
  const metadata = { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }
  return {
    type: 'object',
    properties: { apiVersion: text, kind: text, ...fields, metadata },
    ...(Array.isArray(required) ? { required } : {}),
  }
}

/** JSON Schema draft 7, as text, that says what the API server says, and refuses fields that it would drop. */
function validationSchema(schema: Schema, definitions: Readonly<Record<string, Schema>>): string {
  const reached = reachable(schema, definitions)
  return JSON.stringify({
    ...closed(schema),
    definitions: Object.fromEntries(reached.map((name) => [name, closed(definitions[name] as Schema)])),
  })
}

/** The schema with the checks of the fields that have these names, wherever they stand. */
function withChecks(schema: Schema, checks: Readonly<Record<string, Schema>>): Schema {
  const { properties, items } = schema
  const checked = Object.entries(properties ?? {}).map(([name, field]) => {
    const isScalar = !field.properties && !field.items
    return [name, { ...withChecks(field, checks), ...(isScalar ? checks[name] : {}) }]
  })
  return {
    ...schema,
    ...(properties ? { properties: Object.fromEntries(checked) } : {}),
    ...(items ? { items: withChecks(items, checks) } : {}),
  }
}

/** What the rules of a schema that are written in CEL come to, as far as we can say that without CEL. */
function celKeywords(schema: Schema): Schema {
  const rules = (schema['x-kubernetes-validations'] ?? []) as readonly { rule: string }[]
  const exclusive = rules.flatMap(({ rule }) => {
    const [, one, other] = AT_MOST_ONE.exec(rule) ?? []
    return one === undefined ? [] : [{ not: { required: [one, other] } }]
  })
  return Object.assign({}, ...rules.map(({ rule }) => CEL_RULES[rule]), exclusive.length > 0 && { allOf: exclusive })
}

/** A structural schema in which fields that are not named are not allowed. */
function closed(schema: Schema): Schema {
  const { description, properties, additionalProperties, items, nullable, ...rest } = schema
  const result: Schema = celKeywords(schema)
  const uniqueBy = uniqueness(schema)
  if (uniqueBy !== undefined) result['uniqueBy'] = uniqueBy
  for (const [keyword, value] of Object.entries(rest)) {
    if (!keyword.startsWith('x-kubernetes-') && keyword !== 'default' && keyword !== 'example') result[keyword] = value
  }
  if (schema['x-kubernetes-int-or-string'] === true) {
    result.type = ['integer', 'string']
    delete result['anyOf']
  }
  if (nullable === true && result.type !== undefined) result.type = [result.type, 'null'].flat()
  if (properties) result.properties = mapValues(properties, closed)
  if (items) result.items = closed(items)
  if (typeof additionalProperties === 'object') result.additionalProperties = closed(additionalProperties)
  else if (properties && schema['x-kubernetes-preserve-unknown-fields'] !== true) result.additionalProperties = false
  return result
}

/**
 * The field by which no two items of a list may be the same, '' for the items themselves: our own keyword, as API servers check
 * it for custom resources.
 */
function uniqueness(schema: Schema): string | undefined {
  if (schema['x-kubernetes-list-type'] === 'set') return ''
  const keys = schema['x-kubernetes-list-map-keys']
  return Array.isArray(keys) && keys.length === 1 ? String(keys[0]) : undefined
}

/** A schema from which plain types come: no alternatives, every field that may be absent optional. */
function typeSchema(schema: Schema): JSONSchema {
  const { type, description, properties, additionalProperties, items, required, $ref } = schema
  if (typeof $ref === 'string') return { $ref }
  if (schema['x-kubernetes-int-or-string'] === true) return { type: ['integer', 'string'] }
  const result: Record<string, unknown> = { description, required }
  if (type) result['type'] = type
  if (Array.isArray(schema['enum'])) result['enum'] = schema['enum']
  if (properties) result['properties'] = mapValues(properties, typeSchema)
  if (items) result['items'] = typeSchema(items)
  if (typeof additionalProperties === 'object') result['additionalProperties'] = typeSchema(additionalProperties)
  else if (schema['x-kubernetes-preserve-unknown-fields'] === true) result['additionalProperties'] = true
  return result as JSONSchema
}

/** Every definition of Kubernetes as an interface of its last name (`PodSpec`). */
async function coreTypes(definitions: Readonly<Record<string, Schema>>): Promise<string> {
  const named = (text: string) => text.replaceAll(/#\/definitions\/[\w.-]+\.(\w+)/g, '#/definitions/$1')
  const short = Object.entries(definitions).map(([name, schema]) => [
    lastName(name),
    { ...typeSchema(schema), title: lastName(name) },
  ])
  const roots = Object.fromEntries(short.map(([name]) => [name, { $ref: `#/definitions/${name}` }]))
  const all = { title: 'CoreDefinitions', type: 'object', properties: roots, definitions: Object.fromEntries(short) }
  return compile(JSON.parse(named(JSON.stringify(all))) as JSONSchema, 'CoreDefinitions', TYPES)
}

/** The names of the definitions that a schema refers to, and those that these refer to. */
function reachable(schema: Schema, definitions: Readonly<Record<string, Schema>>): string[] {
  const found = new Set<string>()
  const visit = (from: Schema): void => {
    for (const [, name] of JSON.stringify(from).matchAll(/"#\/definitions\/([^"]+)"/g)) {
      const definition = name === undefined ? undefined : definitions[name]
      if (name === undefined || !definition) throw new Error(`kubernetes.json has no ${name}`)
      if (found.has(name)) continue
      found.add(name)
      visit(definition)
    }
  }
  visit(schema)
  return [...found]
}

function lastName(definition: string): string {
  return definition.slice(definition.lastIndexOf('.') + 1)
}

function mapValues<A, B>(object: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]))
}
