import type { AskedShift, Refused, ShiftApplied } from '../server/console/answers.ts'
import type { FrontAnswer } from '../server/console/front.ts'
import { changesOf } from '../server/console/shift-plan.ts'
import { Failure } from './failure.ts'
import { Release } from './releases/release.ts'
import type { MeshOptions } from './running-mesh.ts'

export interface AppliedShift extends AskedShift {
  /** Of what was looked at. */
  readonly plan: string
}

/** Carries out on a cluster what somebody saw in the console, as whom the kubeconfig says. */
export async function appliedShift(
  { host, shares, audience, plan }: AppliedShift,
  options: MeshOptions,
): Promise<FrontAnswer> {
  try {
    const release = await Release.of(host, options)
    const shift = await release.plan(new Map(Object.entries(shares)), audience)
    if (changesOf(shift).plan !== plan)
      return refused(409, {
        error: 'Something changed since this was looked at',
        remedy: 'Look at the new difference, and apply that',
      })
    return { status: 200, body: { written: await release.write(shift) } satisfies ShiftApplied }
  } catch (error) {
    return refused(error instanceof Failure ? 422 : 500, { error: (error as Error).message })
  }
}

function refused(status: number, body: Refused): FrontAnswer {
  return { status, body }
}
