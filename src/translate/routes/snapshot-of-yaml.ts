import { parseAllDocuments } from 'yaml'
import { kindOf } from '../../resources/kinds.ts'
import { KIND, type Resource } from '../../resources/resource.ts'
import { Snapshot } from '../../store/snapshot.ts'

/** A snapshot of the objects in some YAML, for tests: not validated, in namespace `default` where they name none. */
export function snapshotOfYaml(...texts: readonly string[]): Snapshot {
  return Snapshot.of(texts.flatMap((text) => parseAllDocuments(text).map((document) => resourceOf(document.toJS()))))
}

function resourceOf(object: Resource): Resource {
  const kind = kindOf(object.apiVersion, object.kind)
  if (!kind) throw new Error(`not a kind that is known: ${object.apiVersion} ${object.kind}`)
  const namespace = kind.namespaced ? { namespace: object.metadata.namespace ?? 'default' } : {}
  return { ...object, metadata: { ...object.metadata, ...namespace }, [KIND]: kind.id }
}
