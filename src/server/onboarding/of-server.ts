import { resolve } from 'node:path'
import { Engine } from '../../adoption/onboarding/engine.ts'
import { takeRequests } from '../../adoption/onboarding/journal.ts'
import { clusterObjects } from '../../adoption/onboarding/objects/cluster.ts'
import { folderObjects } from '../../adoption/onboarding/objects/folder.ts'
import { obey } from '../../adoption/onboarding/requests.ts'
import type { Journal } from '../../adoption/onboarding/world.ts'
import { takeLock } from '../../agent/supervise/lock.ts'
import type { Log } from '../../identity/log.ts'
import type { Onboarding } from '../../resources/adoption.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import type { Store } from '../../store/store.ts'
import type { ProxyStatus } from '../../xds/status.ts'
import type { Api } from '../api.ts'
import type { AskedMesh } from './asked-mesh.ts'
import { carryOnboardings } from './carrier.ts'
import { clusterWorld, keptInFolder, laptopWorld } from './mesh-world.ts'
import { wantedOf } from './wanted.ts'

/** How often somebody asks for the lock that another holds, in ms. */
const LOCK_MS = 5000

interface Parts {
  readonly label: string
  readonly store: Store
  readonly api: Api
  readonly proxies: () => readonly ProxyStatus[]
  readonly log: Log
}

/**
 * Carries on what is written in the folder of an adoption, and what Onboardings in the files that the mesh follows ask for, whenever no other process does.
 * @param yaml folder that the mesh follows, to be written to
 */
export async function carryOnLaptop(parts: Parts, folder: string, yaml: string, signal: AbortSignal): Promise<void> {
  const world = laptopWorld(askedMesh(parts), folderObjects(yaml), keptInFolder(folder))
  const engine = new Engine(world)
  while (!signal.aborted) {
    const lock = await takeLock(`onboarding-${resolve(folder)}`)
    if ('heldBy' in lock) {
      await world.clock.wait(LOCK_MS, signal)
      continue
    }
    try {
      const take = () => takeRequests(folder, (request) => obey(engine, request))
      await carryOnboardings({ world, engine, wanted: () => wantedIn(parts.store), take, log: parts.log }, signal)
    } finally {
      await lock.release()
    }
  }
}

/** Carries on what Onboardings of a cluster ask for; how far they are stands in their statuses. Where nobody has written one it does nothing. */
export async function carryOnCluster(
  parts: Parts,
  server: ApiServer,
  journal: Journal,
  signal: AbortSignal,
): Promise<void> {
  const { store, log } = parts
  const kept = {
    applications: async () => [...store.snapshot.all('adoption.weft.dev/Application').values()],
    journal,
  }
  const world = clusterWorld(server, askedMesh(parts), clusterObjects(server), kept)
  while (!signal.aborted && store.snapshot.all('adoption.weft.dev/Onboarding').size === 0)
    await world.clock.wait(LOCK_MS, signal)
  const wanted = () => wantedIn(store)
  await carryOnboardings({ world, engine: new Engine(world), wanted, take: async () => {}, log }, signal)
}

function wantedIn({ snapshot }: Store) {
  return Array.from(snapshot.all('adoption.weft.dev/Onboarding').values(), (each) => wantedOf(each as Onboarding))
}

function askedMesh({ label, api, proxies }: Parts): AskedMesh {
  return {
    label,
    get: (path) => api.ask(path),
    post: (path, body) => api.ask(path, body as object),
    proxies: async () => {
      const sorted = [...proxies()].sort((a, b) => a.connectedSince - b.connectedSince)
      return [...new Map(sorted.map((status) => [status.proxy, status])).values()]
    },
  }
}
