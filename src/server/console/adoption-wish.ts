import { readApplications } from '../../adoption/inventory/folder.ts'
import { folderJournal, leaveRequest, type Request } from '../../adoption/onboarding/journal.ts'
import {
  type OnboardingSpec,
  STEP_NAMES,
  type StepName,
  USUAL_LIMITS,
  USUAL_WINDOWS,
} from '../../adoption/onboarding/onboarding.ts'
import { keyOf } from '../../resources/resource.ts'
import type { AskedOnboarding, Refused } from './answers.ts'

/** Leaves word of what somebody wants for whoever carries applications on. Returns why not, where it cannot be. */
export async function wishOnboarding(folder: string, asked: AskedOnboarding): Promise<Refused | undefined> {
  const { application, wish } = asked
  const there = await folderJournal(folder).load(application)
  const { applications } = readApplications(folder)
  const known = applications.find((each) => keyOf(each) === application)
  if (wish === 'start') {
    if (!known)
      return {
        error: `There is no application ${application} in ${folder}`,
        remedy: 'List it first: weft adopt import',
      }
    if (known.spec?.exempt) return { error: `${application} is exempt: ${known.spec.exempt.reason}` }
    if (there) return { error: `${application} is on its way already`, remedy: 'Resume it' }
  } else if (!there) return { error: `${application} is not on its way`, remedy: 'Start it' }
  const step = STEP_NAMES.find((each) => each === asked.step)
  if (asked.step !== undefined && !step)
    return { error: `There is no step "${asked.step}"`, remedy: `Name one of ${STEP_NAMES.join(', ')}` }
  leaveRequest(folder, requestOf(asked, step))
  return undefined
}

function requestOf({ application, wish }: AskedOnboarding, step: StepName | undefined): Request {
  if (wish === 'start') return { start: usual(application, step) }
  if (wish === 'undo') return { application, wish: { undo: step ?? 'permissive', by: 'somebody' } }
  return { application, wish: wish === 'pause' ? 'pause' : 'go' }
}

function usual(application: string, holdBefore: StepName | undefined): OnboardingSpec {
  return {
    ...{ application, leaveOut: {}, windows: USUAL_WINDOWS, limits: USUAL_LIMITS, declared: [] },
    ...(holdBefore ? { holdBefore } : {}),
  }
}
