import { isDeepStrictEqual } from 'node:util'
import { type Onboarding, STEP_NAMES } from '../../adoption/onboarding/onboarding.ts'
import { BEHIND } from '../../adoption/onboarding/record.ts'
import type { Journal } from '../../adoption/onboarding/world.ts'
import { ApiError, type ApiServer } from '../../sources/kubernetes/api-server.ts'
import { listLive, patchObject } from '../../sources/kubernetes/write.ts'

const KIND = { apiVersion: 'adoption.weft.dev/v1alpha1', kind: 'Onboarding' }

/**
 * How far applications are, in the status of their Onboardings: whoever leads next goes on from there. Only one server writes, the one that leads; it reads what is there once.
 */
export function resourceJournal(server: ApiServer): Journal {
  let read: Promise<Map<string, Onboarding>> | undefined
  const all = () => {
    read ??= recorded(server).catch((error: Error) => {
      read = undefined
      throw error
    })
    return read
  }
  return {
    load: async (application) => (await all()).get(application),
    list: async () => [...(await all()).values()],
    async save(onboarding) {
      const known = await all()
      const { application } = onboarding.spec
      const before = known.get(application)
      if (before && isDeepStrictEqual({ ...before, seenAt: 0 }, { ...onboarding, seenAt: 0 })) {
        // When it was looked at last needs to be known to a minute only.
        if (onboarding.seenAt - before.seenAt < 60_000) return
      }
      const [namespace = '', name = ''] = application.split('/')
      try {
        await patchObject(
          server,
          { ...KIND, metadata: { name, namespace } },
          { status: statusOf(onboarding) },
          { subresource: 'status' },
        )
        known.set(application, onboarding)
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error
        // It is gone: nobody wants it any more.
        known.delete(application)
      }
    },
  }
}

async function recorded(server: ApiServer): Promise<Map<string, Onboarding>> {
  const found = new Map<string, Onboarding>()
  for (const { status } of await listLive(server, KIND)) {
    const { record } = (status ?? {}) as { readonly record?: string }
    if (record === undefined) continue
    const onboarding = JSON.parse(record) as Onboarding
    found.set(onboarding.spec.application, onboarding)
  }
  return found
}

/** What people see of it, beside the record. */
function statusOf(onboarding: Onboarding) {
  const { steps, wish, held } = onboarding
  const step = STEP_NAMES.find((name) => !BEHIND.has(steps[name].state))
  const since = step ? steps[step].since : Math.max(...STEP_NAMES.map((name) => steps[name].since))
  return {
    step: step ?? 'done',
    state: wish === 'pause' ? 'paused' : step ? steps[step].state : 'done',
    since: new Date(since).toISOString(),
    held: held.map(({ says, remedy }) => (remedy ? `${says}; ${remedy}` : says)).join('\n'),
    record: JSON.stringify(onboarding),
  }
}
