import type { Message } from '../../resources/message.ts'
import { positionAt } from '../../resources/position.ts'
import { parseDocumentText, plainValue, splitDocuments } from '../../resources/yaml-document.ts'
import { TOO_DEEP, yamlProblem } from '../../resources/yaml-problem.ts'
import { findFiles } from '../../sources/files/find-files.ts'
import { readContent } from '../../sources/files/read-file.ts'
import { ESTATE_KINDS, type Estate, type EstateObject, groupOf } from './estate.ts'

/** What files of YAML or JSON say is to run. Documents that cannot be read are told of, and leave the others at work. */
export function estateOfFiles(paths: readonly string[], recursive: boolean): Estate {
  const found = findFiles(paths, recursive)
  const messages: Message[] = [...found.messages]
  const objects: EstateObject[] = []
  for (const file of found.files) {
    const content = readContent(file, true)
    if ('unreadable' in content) messages.push(content.unreadable)
    if ('bytes' in content) objects.push(...objectsIn(content.bytes.toString('utf8'), file, messages))
  }
  const kinds = Object.keys(ESTATE_KINDS) as (keyof typeof ESTATE_KINDS)[]
  // Of nodes, and who is let in, files of applications say nothing; of all other kinds a folder may hold everything.
  const unread = kinds
    .filter((kind) => kind === 'Node' || kind === 'ClusterRoleBinding')
    .filter((kind) => !objects.some((object) => object.kind === kind))
    .map((kind) => ({ kind, why: 'the files say nothing of it' }))
  const groups = [...new Set(objects.map(({ apiVersion }) => groupOf(apiVersion)))].sort()
  return { label: `the files in ${paths.join(', ')}`, live: false, objects, unread, groups, messages }
}

function objectsIn(text: string, file: string, messages: Message[]): EstateObject[] {
  return splitDocuments(text).flatMap((document) => {
    const told = (position: Message['position'], { rule, problem, remedy }: typeof TOO_DEEP) => {
      messages.push({ rule, severity: 'error', ...(position ? { position } : {}), problem, remedy })
      return []
    }
    const start = { file, line: document.line, column: 1 }
    try {
      const parsed = parseDocumentText(document.text)
      const error = parsed.document.errors[0]
      if (error) {
        const offset = error.pos[0]
        return told(
          positionAt(document.text, { file, line: document.line }, offset),
          yamlProblem(error.code, error.message, offset, document.text),
        )
      }
      return flattened(plainValue(parsed.document))
    } catch {
      return told(start, TOO_DEEP)
    }
  })
}

/** An object, or those of a List; nothing of what is none. */
function flattened(value: unknown): EstateObject[] {
  const { apiVersion, kind, metadata, items } = (value ?? {}) as Partial<EstateObject> & { items?: unknown }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return []
  if (kind.endsWith('List') && Array.isArray(items)) return items.flatMap(flattened)
  if (typeof metadata?.name !== 'string') return []
  const ofCluster = kind === 'Namespace' || kind === 'Node' || kind.startsWith('Cluster')
  const namespaced = ofCluster ? metadata : { ...metadata, namespace: metadata.namespace ?? 'default' }
  return [{ ...(value as EstateObject), metadata: namespaced }]
}
