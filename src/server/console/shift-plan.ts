import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { analyze } from '../../analysis/analyze.ts'
import { createdName, type PlannedFile, plannedFiles } from '../../management/releases/planned-files.ts'
import { releaseObjects } from '../../management/releases/release-objects.ts'
import { edited, type Shift } from '../../management/releases/routes.ts'
import { NoShift, type Shares } from '../../management/releases/shares.ts'
import { planShift } from '../../management/releases/shift.ts'
import { messageText } from '../../resources/message.ts'
import { parseYaml } from '../../resources/parse.ts'
import { displayName, type Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { AskedShift, Message, PlannedChange, ShiftPlan, ShiftState } from './answers.ts'
import { lineDiff } from './line-diff.ts'

/** A shift that was planned, and how it is written. */
export interface PlannedShift {
  readonly answer: ShiftPlan
  readonly shift: Shift
  /** Empty where it is written to a cluster. */
  readonly files: readonly PlannedFile[]
}

/** How requests to a host are spread now. */
export function shiftState(snapshot: Snapshot, host: string): ShiftState {
  try {
    const objects = releaseObjects(host, objectsOf(snapshot))
    const services = objects.versionServices.map(({ name }) => name)
    const subsets = objects.destinationRules
      .flatMap((rule) => (isFor(rule.spec?.host, host) ? (rule.spec?.subsets ?? []) : []))
      .map(({ name }) => name)
    const known = [...new Set([...objects.versions, ...subsets])].sort()
    const candidates = known.length > 0 ? known : services
    if (candidates.length === 0)
      return {
        host,
        versions: [],
        problem: 'No versions of this service are told apart',
        remedy: 'Give its pods a label version, or write a DestinationRule with subsets',
      }
    const before = sharesNow(host, candidates, objects)
    const versions = [...new Set([...candidates, ...Object.keys(before ?? {})])]
    return { host, versions, ...(before ? { shares: before } : {}) }
  } catch (error) {
    if (!(error instanceof NoShift)) throw error
    return { host, versions: [], problem: error.message, remedy: error.remedy }
  }
}

/** Shares that a rule says now: what a plan for any version would replace. */
function sharesNow(
  host: string,
  versions: readonly string[],
  objects: ReturnType<typeof releaseObjects>,
): Readonly<Record<string, number>> | undefined {
  const [first = ''] = versions
  const { before } = planShift({ host, shares: new Map([[first, 100]]) }, objects)
  // Shares of all versions alike are under no name.
  return before && !before.has('') ? Object.fromEntries(before) : undefined
}

function isFor(ruleHost: string | undefined, host: string): boolean {
  return ruleHost !== undefined && (ruleHost === host || host.startsWith(`${ruleHost}.`))
}

/**
 * What a shift would write, and what the analysis would say of it. Writes nothing.
 * @param files texts of the files that the mesh follows, by path; undefined where changes go to a cluster
 * @throws NoShift
 */
export function plannedShift(
  snapshot: Snapshot,
  { host, shares, audience }: AskedShift,
  files: ReadonlyMap<string, string> | undefined,
): PlannedShift {
  const wanted: Shares = checkedShares(shares)
  const request = { host, shares: wanted, ...(audience ? { audience } : {}) }
  const shift = planShift(request, releaseObjects(host, objectsOf(snapshot)))
  const planned = files ? plannedFiles(files, host, shift) : []
  const { changes, plan } = changesOf(shift, files && planned)
  const { before } = shift
  return {
    shift,
    files: planned,
    answer: {
      host,
      ...(before && !before.has('') ? { before: Object.fromEntries(before) } : {}),
      changes,
      plan,
      messages: newMessages(snapshot, shift),
    },
  }
}

/**
 * What is written, and a name for exactly that.
 * @param files that are written; undefined where the objects go to a cluster
 */
export function changesOf(shift: Shift, files?: readonly PlannedFile[]): Pick<ShiftPlan, 'changes' | 'plan'> {
  const changes = files ? files.map((file) => fileChange(file, shift)) : objectChanges(shift)
  return { changes, plan: createHash('sha256').update(JSON.stringify(changes)).digest('hex').slice(0, 32) }
}

function checkedShares(shares: Readonly<Record<string, number>>): Shares {
  const entries = Object.entries(shares)
  if (entries.length === 0) throw new NoShift('no shares are given', 'name a version and its share')
  for (const [version, share] of entries)
    if (!Number.isInteger(share) || share < 0 || share > 100)
      throw new NoShift(`the share of ${version} is ${share}`, 'write whole percents from 0 to 100')
  const sum = entries.reduce((total, [, share]) => total + share, 0)
  if (sum !== 100) throw new NoShift(`the shares add up to ${sum}`, 'let them add up to 100')
  return new Map(entries)
}

function objectsOf(snapshot: Snapshot) {
  return {
    virtualServices: [...snapshot.all('networking.istio.io/VirtualService').values()],
    httpRoutes: [...snapshot.all('gateway.networking.k8s.io/HTTPRoute').values()],
    destinationRules: [...snapshot.all('networking.istio.io/DestinationRule').values()],
    services: [...snapshot.all('core/Service').values()],
    pods: [...snapshot.all('core/Pod').values()],
  }
}

function fileChange({ path, before, after, objects }: PlannedFile, shift: Shift): PlannedChange {
  const yaml = writtenObjects(shift)
    .filter(({ name }) => objects.includes(name))
    .map(({ yaml }) => yaml)
    .join('---\n')
  return { where: path, objects, diff: lineDiff(before, after), yaml }
}

function objectChanges(shift: Shift): readonly PlannedChange[] {
  return writtenObjects(shift).map(({ name, before, yaml }) => ({
    where: name,
    objects: [name],
    diff: lineDiff(before, yaml),
    yaml,
  }))
}

/** Whole objects as they were and as they will be. */
function writtenObjects({ edit, created }: Shift) {
  const made = created.map((object) => ({ name: createdName(object), before: '', yaml: yamlOf(object) }))
  if (!edit) return made
  const changed = { name: displayName(edit.object), before: yamlOf(edit.object), yaml: yamlOf(edited(edit)) }
  return [...made, changed]
}

interface Written {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Resource['metadata']
  readonly spec?: unknown
}

/** What people write of an object. */
function yamlOf({ apiVersion, kind, metadata, spec }: Written): string {
  const { name, namespace, labels, annotations } = metadata
  const kept = {
    name,
    ...(namespace ? { namespace } : {}),
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
  }
  return stringify({ apiVersion, kind, metadata: kept, spec }, { lineWidth: 0 })
}

/** What is found with the change, and was not found before. */
function newMessages(snapshot: Snapshot, shift: Shift): readonly Message[] {
  const parsed = writtenObjects(shift).map(({ name, yaml }) => parseYaml(yaml, `what would be written of ${name}`))
  const puts = parsed.flatMap(({ resources }) => resources.map((put) => ({ put })))
  const known = new Set(analyze(snapshot).map(withoutPlace))
  const found = [...parsed.flatMap(({ messages }) => messages), ...analyze(snapshot.with(puts))]
  return found.filter((message) => !known.has(withoutPlace(message)))
}

function withoutPlace({ position: _, ...message }: Message): string {
  return messageText(message)
}
