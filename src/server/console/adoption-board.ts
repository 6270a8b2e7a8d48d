import { readApplications } from '../../adoption/inventory/folder.ts'
import { folderJournal, leftRequests, type Request } from '../../adoption/onboarding/journal.ts'
import { type Onboarding, STEP_NAMES, type StepState } from '../../adoption/onboarding/onboarding.ts'
import { STEPS } from '../../adoption/onboarding/steps/all.ts'
import type { Application } from '../../resources/adoption.ts'
import { messageText } from '../../resources/message.ts'
import { keyOf } from '../../resources/resource.ts'
import type { AdoptionBoard, AdoptionRow, AdoptionStep } from './answers.ts'

/** What is written down in the folder of an adoption, as it is now. */
export async function adoptionBoard(folder: string | undefined): Promise<AdoptionBoard> {
  if (folder === undefined) return { folder: null, applications: [], problems: [] }
  const { applications, messages } = readApplications(folder)
  const problems = messages.map(messageText)
  let onboardings: readonly Onboarding[] = []
  try {
    onboardings = await folderJournal(folder).list()
  } catch (error) {
    problems.push((error as Error).message)
  }
  const left = new Map(leftRequests(folder).map((request) => [applicationOf(request), request]))
  const rows = applications.map((application) =>
    rowOf(
      application,
      onboardings.find(({ spec }) => spec.application === keyOf(application)),
      left.get(keyOf(application)),
    ),
  )
  return { folder, applications: rows.sort((a, b) => (a.application < b.application ? -1 : 1)), problems }
}

function applicationOf(request: Request): string {
  return 'start' in request ? request.start.application : request.application
}

function askedText(request: Request): string {
  if ('start' in request) return 'to begin'
  const { wish } = request
  return wish === 'go' ? 'to go on' : wish === 'pause' ? 'to pause' : `to be undone down to ${wish.undo}`
}

function rowOf(
  application: Application,
  onboarding: Onboarding | undefined,
  request: Request | undefined,
): AdoptionRow {
  const { owner, criticality, exempt, workloads = [] } = application.spec ?? {}
  return {
    application: keyOf(application),
    ...(owner ? { team: owner.team } : {}),
    ...(criticality ? { criticality } : {}),
    ...(exempt ? { exempt: exempt.reason } : {}),
    workloads: workloads.map(({ name }) => `${application.metadata.namespace ?? 'default'}/${name}`),
    steps: onboarding ? stepsOf(onboarding) : [],
    held: onboarding?.held ?? [],
    wish: typeof onboarding?.wish === 'object' ? 'undo' : (onboarding?.wish ?? 'go'),
    ...(request ? { asked: askedText(request) } : {}),
  }
}

const STANDINGS: Readonly<Partial<Record<StepState, AdoptionStep['standing']>>> = {
  done: 'behind',
  'nothing to do': 'behind',
  'left out': 'left out',
  undone: 'undone',
}

function stepsOf({ steps }: Onboarding): AdoptionStep[] {
  const current = STEP_NAMES.find((name) => !['done', 'nothing to do', 'left out'].includes(steps[name].state))
  return STEP_NAMES.map((name) => {
    const { state, since, gate, check, why, later } = steps[name]
    const isWorse = state === 'done' && later !== undefined
    const nothing = state === 'nothing to do' && why !== undefined ? [{ holds: true, says: why }] : []
    return {
      name,
      title: STEPS[name].title,
      standing: isWorse ? 'worse' : (STANDINGS[state] ?? (name === current ? 'now' : 'ahead')),
      since,
      evidence: [...nothing, ...(isWorse ? later.findings : []), ...(gate?.findings ?? []), ...(check?.findings ?? [])],
    }
  })
}
