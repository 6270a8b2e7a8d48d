import type { Registry } from '../agent/workload-group/membership.ts'
import { isWell } from '../mesh/member-health.ts'
import type { WorkloadEntry } from '../resources/istio.ts'
import { keyOf } from '../resources/resource.ts'
import type { Store } from '../store/store.ts'

/** For how long a host may say nothing before it is taken to be gone, in ms. */
const SILENCE_MS = 60_000

export interface LocalMembers extends Registry {
  close(): void
}

/** WorkloadEntries of hosts in the store of a mesh that has no API server. A server that is started again hears of them from the hosts. */
export function localMembers(store: Store, silenceMs = SILENCE_MS): LocalMembers {
  const timers = new Map<string, NodeJS.Timeout>()
  const forget = (key: string) => {
    clearTimeout(timers.get(key))
    timers.delete(key)
  }
  const remove = (key: string) => {
    forget(key)
    store.apply([{ remove: 'networking.istio.io/WorkloadEntry', key }])
  }
  const put = (entry: WorkloadEntry) => {
    const key = keyOf(entry)
    forget(key)
    timers.set(key, setTimeout(remove, silenceMs, key).unref())
    store.apply([{ put: entry }])
  }
  return {
    async put(entry) {
      const known = store.snapshot.get('networking.istio.io/WorkloadEntry', keyOf(entry))
      put({ ...entry, ...(known?.status ? { status: known.status } : {}) })
    },
    async tell(entry, health) {
      const told = { ...entry, status: { conditions: [health] } }
      const known = store.snapshot.get('networking.istio.io/WorkloadEntry', keyOf(entry))
      // That it is as before is nothing to tell the proxies.
      put(known?.status && isWell(known) === isWell(told) ? known : told)
    },
    async remove(entry) {
      remove(keyOf(entry))
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
