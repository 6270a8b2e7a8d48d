import type { Registry } from '../agent/workload-group/membership.ts'
import { readPrivateFile, writeAtomically } from '../identity/private-files.ts'
import { isWell } from '../mesh/member-health.ts'
import type { WorkloadEntry } from '../resources/istio.ts'
import { KIND, keyOf } from '../resources/resource.ts'
import type { Store } from '../store/store.ts'

/** For how long a host may say nothing before it is taken to be gone, in ms. */
const SILENCE_MS = 60_000

export interface LocalMembers extends Registry {
  close(): void
}

/**
 * WorkloadEntries of hosts in the store of a mesh that has no API server, and in a file, so that a server that is started again knows them.
 * @throws Error where the file is broken
 */
export function localMembers(store: Store, file: string, silenceMs = SILENCE_MS): LocalMembers {
  const members = new Map<string, WorkloadEntry>()
  const keep = () => writeAtomically(file, JSON.stringify([...members.values()]))
  const timers = new Map<string, NodeJS.Timeout>()
  const forget = (key: string) => {
    clearTimeout(timers.get(key))
    timers.delete(key)
  }
  const remove = (key: string) => {
    forget(key)
    store.apply([{ remove: 'networking.istio.io/WorkloadEntry', key }])
    if (members.delete(key)) keep()
  }
  const put = (entry: WorkloadEntry) => {
    const key = keyOf(entry)
    forget(key)
    timers.set(key, setTimeout(remove, silenceMs, key).unref())
    store.apply([{ put: entry }])
    if (members.get(key) === entry) return
    members.set(key, entry)
    keep()
  }
  for (const entry of JSON.parse(readPrivateFile(file) ?? '[]') as WorkloadEntry[])
    put({ ...entry, [KIND]: 'networking.istio.io/WorkloadEntry' })
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
