import { isDeepStrictEqual } from 'node:util'
import { type EstateObject, groupOf } from '../../adoption/estate/estate.ts'
import type { ObjectName } from '../../adoption/onboarding/world.ts'
import { nameText } from '../../adoption/onboarding/writing.ts'
import type { Pod } from '../../resources/core.ts'
import type { PodStatus } from '../../sources/local-cluster/pod-plan.ts'
import type { Ground } from './mesh-state.ts'
import type { RecentAnswers } from './recent-answers.ts'

/** A mesh on one machine: its server reads files, and runs what they say. */
export function laptopGround(answers: RecentAnswers): Ground {
  return {
    async pods() {
      const [pods, statuses] = await Promise.all([
        answers.list<Pod>('core/Pod'),
        answers.get<readonly PodStatus[]>('pods/status'),
      ])
      return { pods, restarts: new Map(statuses.map(({ key, restarts }) => [key, restarts])) }
    },
    async unread(wanted) {
      const there = await find(answers, wanted)
      return there && isSame(there, wanted) ? undefined : `the servers have not read ${nameText(wanted)}`
    },
    has: async (name) => (await find(answers, name)) !== undefined,
    // It runs what it has read.
    rollout: async () => undefined,
    stuck: async () => undefined,
    proxies: () => answers.mesh.proxies(),
  }
}

/** An object as the servers have read it. */
export async function find(
  answers: RecentAnswers,
  { apiVersion, kind, metadata }: ObjectName,
): Promise<EstateObject | undefined> {
  const all = await answers.list<EstateObject>(`${groupOf(apiVersion) || 'core'}/${kind}`)
  return all.find(
    (each) =>
      each.metadata.name === metadata.name &&
      (each.metadata.namespace ?? 'default') === (metadata.namespace ?? 'default'),
  )
}

function isSame(there: EstateObject, wanted: EstateObject): boolean {
  const plain = ({ metadata, ...object }: EstateObject) =>
    JSON.parse(JSON.stringify([object['spec'] ?? {}, metadata.annotations ?? {}]))
  return isDeepStrictEqual(plain(there), plain(wanted))
}
