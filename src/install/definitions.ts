import { readFileSync } from 'node:fs'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { type LiveObject, listLive } from '../sources/kubernetes/write.ts'
import type { InstalledObject } from './installation.ts'
import { MANAGED_BY, type SettingPath } from './settings.ts'
import type { Values } from './template.ts'

/** Definitions of kinds that Weft reads, as their project publishes them; Weft's own among them. */
interface Published {
  readonly project: string
  readonly setting: SettingPath
  readonly file: string
}

const PUBLISHED: readonly Published[] = [
  { project: 'Istio', setting: 'crds.istio', file: '../resources/vendor/istio.yaml' },
  { project: 'Gateway API', setting: 'crds.gatewayApi', file: '../resources/vendor/gateway-api.yaml' },
  { project: 'Weft', setting: 'crds.weft', file: '../resources/weft/adoption.yaml' },
  { project: 'Weft', setting: 'crds.weft', file: '../resources/weft/observability.yaml' },
  { project: 'Weft', setting: 'crds.weft', file: '../resources/weft/security.yaml' },
]

/** The CustomResourceDefinitions that the settings ask for. Takes a second: the files are long. */
export async function definitions(values: Values): Promise<readonly InstalledObject[]> {
  const lists = await Promise.all(PUBLISHED.map((one) => (values[one.setting] === true ? read(one) : [])))
  return lists.flat()
}

async function read({ file }: Published): Promise<readonly InstalledObject[]> {
  const { parseAllDocuments } = await import('yaml')
  const documents = parseAllDocuments(readFileSync(new URL(file, import.meta.url), 'utf8'))
  return documents.flatMap((document) => ('toJS' in document ? [ours(document.toJS() as InstalledObject)] : []))
}

function ours(definition: InstalledObject): InstalledObject {
  // Istio's carry labels of its chart, by which its installer would take them for its own.
  const { labels: _, ...metadata } = definition.metadata
  const labels = { 'app.kubernetes.io/part-of': 'weft', 'app.kubernetes.io/managed-by': MANAGED_BY }
  const whole = { ...definition, metadata: { ...metadata, labels } }
  return JSON.stringify(whole).length < MOST_FOR_KUBECTL ? whole : (withShorterProse(whole) as InstalledObject)
}

/** `kubectl apply` keeps what it applied in an annotation, and annotations may have 262144 bytes together. */
const MOST_FOR_KUBECTL = 260_000

/** A schema with only the first paragraph of each `description`: of properties, that is what `kubectl explain` says first. */
function withShorterProse(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withShorterProse)
  if (typeof schema !== 'object' || schema === null) return schema
  const fields = Object.entries(schema).map(([name, field]) =>
    name === 'description' && typeof field === 'string'
      ? [name, field.split('\n\n')[0]]
      : [name, withShorterProse(field)],
  )
  return Object.fromEntries(fields)
}

const DEFINITION = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' } as const

/**
 * The definitions to be written to a cluster: those of a project of which it has none, or only ours. Where somebody else has installed
 * any, that project's are used as they are. Throws ApiError.
 */
export async function missingDefinitions(
  server: ApiServer,
  values: Values,
): Promise<{ readonly missing: readonly InstalledObject[]; readonly left: readonly string[] }> {
  const there = await listLive(server, DEFINITION)
  const lists = await Promise.all(
    PUBLISHED.filter(({ setting }) => values[setting] === true).map(async (published) => {
      const wanted = await read(published)
      const names = new Set(wanted.map(({ metadata }) => metadata.name))
      const others = there.filter((object) => names.has(object.metadata.name) && !isOurs(object))
      return others.length === 0
        ? { missing: wanted, left: [] }
        : { missing: [], left: [`${published.project}'s are there and used as they are`] }
    }),
  )
  return { missing: lists.flatMap(({ missing }) => missing), left: lists.flatMap(({ left }) => left) }
}

/** Definitions in a cluster that `weft install` made. Throws ApiError. */
export function ownDefinitions(server: ApiServer): Promise<readonly LiveObject[]> {
  return listLive(server, DEFINITION, { labelSelector: `app.kubernetes.io/managed-by=${MANAGED_BY}` })
}

function isOurs({ metadata }: LiveObject): boolean {
  return metadata.labels?.['app.kubernetes.io/managed-by'] === MANAGED_BY
}
