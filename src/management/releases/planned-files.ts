import { serviceOfHost } from '../../resources/host.ts'
import { displayName } from '../../resources/resource.ts'
import { editedFile, extendedFile, isInFile } from './edit-file.ts'
import type { Created, Shift } from './routes.ts'
import { NoShift } from './shares.ts'

/** A file that a release changes. */
export interface PlannedFile {
  readonly path: string
  readonly before: string
  readonly after: string
  /** What is written in it: `VirtualService default/reviews`. */
  readonly objects: readonly string[]
}

/**
 * How files have to be written for a release: objects that are new beside the Service, others in their place.
 * @param files texts by path
 * @throws NoShift where something is in none of them
 */
export function plannedFiles(
  files: ReadonlyMap<string, string>,
  host: string,
  { edit, created }: Pick<Shift, 'edit' | 'created'>,
): readonly PlannedFile[] {
  const planned = new Map<string, PlannedFile>()
  const change = (what: readonly string[], changed: (text: string) => string | undefined) => {
    for (const [path, before] of files) {
      const sofar = planned.get(path)
      const after = changed(sofar?.after ?? before)
      if (after === undefined) continue
      planned.set(path, { path, before, after, objects: [...(sofar?.objects ?? []), ...what] })
      return
    }
    throw new NoShift(
      `${what.join(' and ')} is in none of the files that the mesh follows`,
      'write it with weft shift --dry-run -o yaml, and apply that',
    )
  }
  if (created.length > 0) {
    const { name = '', namespace = '' } = serviceOfHost(host) ?? {}
    const service = { kind: 'Service', name, namespace }
    change(created.map(createdName), (text) => (isInFile(text, service) ? extendedFile(text, created) : undefined))
  }
  if (edit) {
    const { kind, metadata } = edit.object
    const object = { kind, name: metadata.name, namespace: metadata.namespace ?? '' }
    change([displayName(edit.object)], (text) => editedFile(text, object, edit))
  }
  return [...planned.values()]
}

/** `VirtualService default/reviews` */
export function createdName({ kind, metadata: { namespace, name } }: Created): string {
  return `${kind} ${namespace}/${name}`
}
