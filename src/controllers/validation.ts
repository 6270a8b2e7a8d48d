import { setImmediate as nextTurn } from 'node:timers/promises'
import { findings, messageOf, type ObjectFinding } from '../analysis/analyze.ts'
import { hostNetwork, portOfProxy } from '../analysis/checks/pods.ts'
import { CHECKS } from '../analysis/checks/registry.ts'
import {
  missingTargetPort,
  portWithTwoProtocols,
  serviceWithoutPods,
  unnamedProtocol,
} from '../analysis/checks/services.ts'
import { type Message, messageText } from '../resources/message.ts'
import { readObject } from '../resources/read-object.ts'
import type { Resource } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'

/** A change that somebody wants to make. */
export interface WantedChange {
  readonly object: unknown
  /** What it replaces; absent where there is none. */
  readonly oldObject?: unknown
  /** Where an object goes that names no namespace. */
  readonly namespace?: string
  /** It is only tried. */
  readonly dryRun?: boolean
}

export interface Verdict {
  /** Why it is refused; empty where it is not. */
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

export interface ValidationOptions {
  /** As it is at the time of the call. */
  readonly snapshot: () => Snapshot
  /** Resolves after the next change of the snapshot, or when the signal ends the wait. */
  readonly changed: (signal: AbortSignal) => Promise<void>
  /** What all checks together may take, in ms; those that come later are left out, and that is said. */
  readonly budgetMs?: number
  /** How long something that an object refers to, and that is not there, is waited for, in ms: it may have been made just before. */
  readonly patienceMs?: number
}

const BUDGET_MS = 8000
/** `kubectl apply` sends a Gateway and what refers to it one right after the other, and a server that is busy sees them late. */
const PATIENCE_MS = 5000

/** What the definitions that are installed may know more of than our own schemas: the API server has checked the object by those already. */
const NEWER_DEFINITIONS: ReadonlySet<string> = new Set([
  'kind-not-used',
  'not-allowed-value',
  'unknown-field',
  'unknown-kind',
  'unsupported-version',
])

/** Of all checks those to which configuration matters: what Services and Pods say of themselves is as it was. */
const CHECKS_OF_CONFIGURATION = CHECKS.filter(
  (check) =>
    ![serviceWithoutPods, unnamedProtocol, missingTargetPort, portWithTwoProtocols, hostNetwork, portOfProxy].includes(
      check,
    ),
)

/** Errors that another object may cure, which is on its way perhaps. */
const REFERENCES: ReadonlySet<string> = new Set([
  'route-to-missing-host',
  'route-to-missing-subset',
  'route-to-missing-port',
  'missing-gateway',
  'missing-credential',
  'host-not-at-gateway',
])

/** Errors that are over as soon as pods run, which is no matter of how the object is written. */
const COMES_AND_GOES: ReadonlySet<string> = new Set(['gateway-without-pods'])

/**
 * What analysis would say of an object if it were there: errors that are new refuse it, in the words of `weft analyze`; what was wrong with it already
 * does not stand in the way of another change. Of objects of the Gateway API nothing is refused: their conditions say what is wrong, as its
 * specification demands.
 */
export async function validate(change: WantedChange, options: ValidationOptions): Promise<Verdict> {
  const { object, oldObject, namespace, dryRun } = change
  const { budgetMs = BUDGET_MS, patienceMs = PATIENCE_MS } = options
  const read = (given: unknown) => readObject(withoutServerFields(given), undefined, {}, namespace ? { namespace } : {})
  const { resource, messages } = read(object)
  const [schemaErrors, schemaWarnings] = bySeverity(messages, isOfGatewayApi(object))
  if (!resource)
    return {
      errors: newOnes(schemaErrors, oldObject ? read(oldObject).messages : []),
      warnings: schemaWarnings.map(text),
    }
  const deadline = performance.now() + budgetMs
  const patient = AbortSignal.timeout(patienceMs)
  const before =
    oldObject === undefined
      ? undefined
      : readObject(
          withoutServerFields(oldObject),
          undefined,
          {},
          { validate: false, ...(namespace ? { namespace } : {}) },
        ).resource
  for (;;) {
    const snapshot = options.snapshot()
    const waits = options.changed(patient)
    const found = await findingsOf(snapshot, resource, deadline)
    const grave = found.findings.filter(({ severity }) => severity === 'error')
    const old = grave.length > 0 && before ? (await findingsOf(snapshot, before, deadline)).findings : []
    const isNew = (finding: ObjectFinding) => !old.some((one) => sameProblem(one, finding))
    const refusing = grave.filter((finding) => isNew(finding) && refuses(resource, finding, dryRun))
    // A server learns of a change a moment after it was made.
    if (refusing.some(({ rule }) => REFERENCES.has(rule)) && !patient.aborted && performance.now() < deadline) {
      await waits
      if (options.snapshot() !== snapshot) continue
    }
    const told = (findings: readonly ObjectFinding[]) => findings.map((finding) => text(messageOf(resource, finding)))
    const others = found.findings.filter((finding) => finding.severity !== 'info' && !refusing.includes(finding))
    const broken = refusing.length > 0 ? [] : newElsewhere(snapshot, resource, found.elsewhere)
    const late = found.complete ? [] : ['Weft had no time for all of its checks: see weft analyze']
    return { errors: told(refusing), warnings: [...schemaWarnings.map(text), ...told(others), ...broken, ...late] }
  }
}

function refuses(resource: Resource, { rule }: ObjectFinding, dryRun: boolean | undefined): boolean {
  if (isOfGatewayApi(resource) || COMES_AND_GOES.has(rule)) return false
  // Of several objects that are tried together, each is as if the others were not there.
  return !(dryRun && REFERENCES.has(rule))
}

function isOfGatewayApi(object: unknown): boolean {
  const { apiVersion } = (object ?? {}) as { readonly apiVersion?: unknown }
  return typeof apiVersion === 'string' && apiVersion.startsWith('gateway.networking.k8s.io/')
}

interface Found {
  readonly findings: readonly ObjectFinding[]
  /** Errors of other objects. */
  readonly elsewhere: ReadonlyMap<Resource, readonly ObjectFinding[]>
  readonly complete: boolean
}

/** What checks find in an object, if it were there. Others get their turn between the checks, each of which reads the whole mesh. */
async function findingsOf(snapshot: Snapshot, resource: Resource, deadline: number): Promise<Found> {
  const changed = snapshot.with([{ put: resource }])
  const own: ObjectFinding[] = []
  const elsewhere = new Map<Resource, ObjectFinding[]>()
  for (const { rule, severity, find } of CHECKS_OF_CONFIGURATION) {
    if (performance.now() > deadline) return { findings: own, elsewhere, complete: false }
    for (const { resource: of, path, problem, remedy, suggestion } of find(changed)) {
      if (of === resource) own.push({ rule, severity, path, problem, remedy: suggestion?.() ?? remedy })
      else if (severity === 'error')
        elsewhere.set(of, [...(elsewhere.get(of) ?? []), { rule, severity, path, problem, remedy }])
    }
    await nextTurn()
  }
  return { findings: own, elsewhere, complete: true }
}

/** What a change would break in other objects: a subset that is removed while routes send to it, say. */
function newElsewhere(
  snapshot: Snapshot,
  changed: Resource,
  elsewhere: ReadonlyMap<Resource, readonly ObjectFinding[]>,
): readonly string[] {
  if (elsewhere.size === 0) return []
  const before = findings(snapshot)
  return [...elsewhere].flatMap(([resource, errors]) => {
    const known = before.get(resource) ?? []
    return errors
      .filter((error) => !COMES_AND_GOES.has(error.rule) && !known.some((one) => sameProblem(one, error)))
      .map((error) => `with this ${changed.kind}, ${text(messageOf(resource, error))}`)
  })
}

/** The same thing is wrong, though perhaps at another place of a list by now. */
function sameProblem(a: ObjectFinding, b: ObjectFinding): boolean {
  return a.rule === b.rule && a.problem === b.problem
}

/** Those that refuse an object, and the others. */
function bySeverity(messages: readonly Message[], lenient: boolean): readonly [readonly Message[], readonly Message[]] {
  const refuses = ({ severity, rule }: Message) => !lenient && severity === 'error' && !NEWER_DEFINITIONS.has(rule)
  return [messages.filter(refuses), messages.filter((message) => !refuses(message) && message.severity !== 'info')]
}

function newOnes(errors: readonly Message[], before: readonly Message[]): readonly string[] {
  return errors
    .filter(({ rule, problem }) => !before.some((old) => old.rule === rule && old.problem === problem))
    .map(text)
}

function text(message: Message): string {
  return messageText(message).replace(/^(error|warning): /, '')
}

/** An object as people write it: of what the server adds nothing is to be checked. */
function withoutServerFields(object: unknown): unknown {
  if (typeof object !== 'object' || object === null) return object
  const { status: _, ...rest } = object as {
    readonly status?: unknown
    readonly metadata?: Readonly<Record<string, unknown>>
  }
  const { managedFields: __, ...metadata } = rest.metadata ?? {}
  return { ...rest, metadata }
}
