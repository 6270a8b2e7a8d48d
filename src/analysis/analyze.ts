import { KINDS, type KindId } from '../resources/kinds.ts'
import { fieldText, type Message, type Severity } from '../resources/message.ts'
import { positionOf } from '../resources/position.ts'
import { displayName, type FieldPath, type Resource } from '../resources/resource.ts'
import { compareTexts } from '../resources/text-order.ts'
import { deriveFromReads, joined } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import { Snapshot } from '../store/snapshot.ts'
import { CHECKS } from './checks/registry.ts'

/** Of one check. Whoever makes more mistakes of one kind has not mistyped a name. */
const MOST_SUGGESTIONS = 100

/** What a check found in an object, before it is looked up where that was written. */
export interface ObjectFinding {
  readonly rule: string
  readonly severity: Severity
  readonly path: FieldPath
  readonly problem: string
  readonly remedy: string
}

/** Kinds that no check looks at, and that change all the time. */
const NOT_LOOKED_AT: ReadonlySet<KindId> = new Set(['core/Node', 'discovery.k8s.io/EndpointSlice'])
const LOOKED_AT = Object.values(KINDS).flatMap(({ id }) => (NOT_LOOKED_AT.has(id) ? [] : [id]))

/** What the checks find, by object. Only checks that look at something that has changed look again. */
export function findings(snapshot: Snapshot): ReadonlyMap<Resource, readonly ObjectFinding[]> {
  const seen = Snapshot.ofKinds(LOOKED_AT.map((kind) => [kind, snapshot.all(kind) as PersistentMap<Resource>]))
  return foundIn(...FOUND.map((found) => found(seen)))
}

const FOUND = CHECKS.map(({ rule, severity, find }) =>
  deriveFromReads(`analysis/${rule}`, (snapshot): readonly (readonly [Resource, ObjectFinding])[] => {
    const found: [Resource, ObjectFinding][] = []
    for (const { resource, path, problem, remedy, suggestion } of find(snapshot)) {
      const suggested = found.length < MOST_SUGGESTIONS ? suggestion?.() : undefined
      found.push([resource, { rule, severity, path, problem, remedy: suggested ?? remedy }])
    }
    return found
  }),
)

const foundIn = joined((...found: readonly (readonly (readonly [Resource, ObjectFinding])[])[]) => {
  const byObject = new Map<Resource, ObjectFinding[]>()
  for (const [resource, finding] of found.flat()) {
    const others = byObject.get(resource)
    if (others) others.push(finding)
    else byObject.set(resource, [finding])
  }
  return byObject
})

/**
 * Everything there is to say about a Snapshot: what the checks find, with where it stands, and what the reading of it has
 * told already. In order of file and line; what comes from no file is last.
 * @param told messages about the same objects from earlier on, such as the parser's
 */
export function analyze(snapshot: Snapshot, told: readonly Message[] = []): Message[] {
  const messages = [...told]
  // Object by object, since an object's text is parsed again to find places in it.
  for (const [resource, found] of findings(snapshot))
    for (const finding of found) messages.push(messageOf(resource, finding))
  return messages.sort(byPlace)
}

/** A finding as it is told to people. */
export function messageOf(resource: Resource, { rule, severity, path, problem, remedy }: ObjectFinding): Message {
  const position = positionOf(resource, path)
  return {
    rule,
    severity,
    object: displayName(resource),
    ...(path.length > 0 ? { field: fieldText(path) } : {}),
    ...(position ? { position } : {}),
    problem,
    remedy,
  }
}

/** How grave a message is: the graver, the lower. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

/** For sorting by place; what has none comes last, by object. */
export function byPlace(a: Message, b: Message): number {
  const [p, q] = [a.position, b.position]
  if (p && q) {
    return (
      compareTexts(p.file, q.file) ||
      p.line - q.line ||
      p.column - q.column ||
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      compareTexts(a.rule, b.rule)
    )
  }
  return p ? -1 : q ? 1 : compareTexts(a.object ?? '', b.object ?? '') || compareTexts(a.rule, b.rule)
}
