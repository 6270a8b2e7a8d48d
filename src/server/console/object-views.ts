import { stringify } from 'yaml'
import { KINDS, type KindId } from '../../resources/kinds.ts'
import { isKind, ORIGIN, type Resource } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { withoutContents } from '../secret-contents.ts'
import type { Message, ObjectRow, ObjectView } from './answers.ts'
import { countFindings, FindingsByObject } from './finding-counts.ts'
import { objectRef } from './object-ref.ts'

/** What is made by machines, in numbers: nobody looks for it here. */
const NOT_LISTED: ReadonlySet<KindId> = new Set([
  'discovery.k8s.io/EndpointSlice',
  'core/Pod',
  'core/Node',
  'core/ConfigMap',
])

export function isListed(kind: KindId): boolean {
  return !NOT_LISTED.has(kind)
}

/** All objects that people write, by kind and name. */
export function objectRows(snapshot: Snapshot, messages: readonly Message[]): readonly ObjectRow[] {
  const findings = new FindingsByObject(messages)
  return (Object.keys(KINDS) as KindId[])
    .filter(isListed)
    .flatMap((kind) => [...snapshot.all(kind).values()])
    .map(objectRef)
    .map((ref) => ({ ...ref, findings: countFindings(findings.of([ref])) }))
    .sort((a, b) => compareTexts(a.kind, b.kind) || compareTexts(a.key, b.key))
}

/** Undefined where there is no such object. @param id `networking.istio.io/VirtualService` */
export function objectView(
  snapshot: Snapshot,
  id: string,
  key: string,
  messages: readonly Message[],
): ObjectView | undefined {
  if (!(id in KINDS)) return undefined
  const object: Resource | undefined = snapshot.get(id as KindId, key)
  if (!object) return undefined
  const ref = objectRef(object)
  return { ...ref, yaml: yamlOf(object), messages: new FindingsByObject(messages).of([ref]) }
}

/** As it was written, where that is known, else as YAML. */
function yamlOf(object: Resource): string {
  if (isKind(object, 'core/Secret')) return stringify(withoutContents(object))
  const origin = object[ORIGIN]
  if (origin && origin.file !== 'kubernetes' && origin.path === undefined) return `${origin.text.trim()}\n`
  const { apiVersion, kind, metadata, ...rest } = object
  const { managedFields: _, ...shown } = metadata as typeof metadata & { readonly managedFields?: unknown }
  return stringify({ apiVersion, kind, metadata: shown, ...rest }, { lineWidth: 0 })
}
