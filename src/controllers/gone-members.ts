import { OF_GROUP } from '../mesh/member-health.ts'
import type { ApiError, ApiServer } from '../sources/kubernetes/api-server.ts'
import { deleteObject, type LiveObject, listLive } from '../sources/kubernetes/write.ts'
import type { Store } from '../store/store.ts'

export interface GoneMembersOptions {
  readonly server: ApiServer
  readonly store: Store
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
  /** Between two looks, in ms. */
  readonly lookEveryMs?: number
  /** For how long a host may say nothing, in ms. */
  readonly silenceMs?: number
}

const LOOK_EVERY_MS = 10_000
const SILENCE_MS = 60_000

const COLLECTION = { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry' }

/**
 * Removes WorkloadEntries that hosts made as members of WorkloadGroups and that nobody has told of for a while, until `signal` says that this replica leads no
 * more. Time is counted from when this replica saw what a host last told: clocks of hosts don't matter. Asks for nothing where there are no such entries.
 */
export function removeGoneMembers(options: GoneMembersOptions, signal: AbortSignal): void {
  const { server, store, log, lookEveryMs = LOOK_EVERY_MS, silenceMs = SILENCE_MS } = options
  const heard = new Map<string, { readonly told: string; readonly at: number }>()
  let looking = false
  const look = async () => {
    const isMember = ({ metadata }: Pick<LiveObject, 'metadata'>) => metadata.annotations?.[OF_GROUP] !== undefined
    const known = [...store.snapshot.all('networking.istio.io/WorkloadEntry').values()]
    if (looking || !known.some((entry) => isMember(entry as unknown as LiveObject))) return
    looking = true
    try {
      const members = (await listLive(server, COLLECTION, { signal })).filter(isMember)
      const names = new Set(members.map(({ metadata }) => metadata.uid))
      for (const uid of heard.keys()) if (!names.has(uid)) heard.delete(uid)
      for (const member of members) {
        const { uid, namespace, name } = member.metadata
        const told = lastTold(member)
        const before = heard.get(uid)
        if (before?.told !== told) heard.set(uid, { told, at: performance.now() })
        else if (performance.now() - before.at > silenceMs) {
          await deleteObject(
            server,
            { ...COLLECTION, metadata: { name, ...(namespace ? { namespace } : {}) } },
            { signal },
          )
          log('info', `removed WorkloadEntry ${namespace}/${name}: its host has told nothing for a while`)
        }
      }
    } catch (error) {
      if (!signal.aborted)
        log('warning', `WorkloadEntries of hosts that are gone cannot be looked for: ${(error as ApiError).message}`)
    } finally {
      looking = false
    }
  }
  const timer = setInterval(() => void look(), lookEveryMs).unref()
  signal.addEventListener('abort', () => clearInterval(timer))
}

function lastTold({ status }: LiveObject): string {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly { type?: string; lastProbeTime?: string }[] }
  return conditions.find(({ type }) => type === 'Healthy')?.lastProbeTime ?? ''
}
