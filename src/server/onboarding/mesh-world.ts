import { setTimeout as after } from 'node:timers/promises'
import { type Estate, type EstateObject, groupOf } from '../../adoption/estate/estate.ts'
import { estateOfCluster } from '../../adoption/estate/of-cluster.ts'
import { estateOfMesh } from '../../adoption/estate/of-mesh.ts'
import { readApplications } from '../../adoption/inventory/folder.ts'
import { folderJournal } from '../../adoption/onboarding/journal.ts'
import type { Clock, Journal, ObjectName, Objects, World } from '../../adoption/onboarding/world.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import type { AskedMesh } from './asked-mesh.ts'
import { clusterGround } from './cluster-ground.ts'
import { laptopGround } from './laptop-ground.ts'
import { meshEvidence } from './mesh-evidence.ts'
import { type Ground, meshState, RUNNERS } from './mesh-state.ts'
import { Recent } from './recent.ts'
import { RecentAnswers } from './recent-answers.ts'

/** Where it is kept who there is, and how far everybody is. */
export interface Kept {
  readonly applications: World['applications']
  readonly journal: Journal
}

/** In the folder of an adoption. */
export function keptInFolder(folder: string): Kept {
  return {
    applications: async () => readApplications(folder).applications,
    journal: folderJournal(folder),
  }
}

/** A mesh on one machine as onboarding sees it. @param objects where it writes */
export function laptopWorld(mesh: AskedMesh, objects: Objects, kept: Kept): World {
  const answers = new RecentAnswers(mesh)
  const estate = () => estateOfMesh(mesh.label, (kind) => answers.list<EstateObject>(kind))
  return worldOn(answers, { ground: laptopGround(answers), estate, objects, kept })
}

/** A mesh on a cluster. @param objects where it writes: the cluster itself, or a repository that something applies to it */
export function clusterWorld(server: ApiServer, mesh: AskedMesh, objects: Objects, kept: Kept): World {
  const answers = new RecentAnswers(mesh)
  return worldOn(answers, {
    ground: clusterGround(server, answers),
    estate: () => estateOfCluster(server),
    objects,
    kept,
  })
}

interface Parts {
  readonly ground: Ground
  readonly estate: () => Promise<Estate>
  readonly objects: Objects
  readonly kept: Kept
}

const CLOCK: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  wait: (ms, signal) => after(ms, undefined, signal ? { signal } : {}).catch(() => {}),
}

function worldOn(answers: RecentAnswers, { ground, estate, objects, kept }: Parts): World {
  const recent = new Recent()
  return {
    clock: CLOCK,
    objects: {
      read: (name) => objects.read(name),
      list: (kind) => recent.of(listKey(kind), () => objects.list(kind)),
      async write(change, says) {
        await objects.write(change, says)
        answers.forget()
        for (const written of [...change.put, ...change.remove]) {
          recent.forget(listKey(written))
          if (RUNNERS.has(written.kind)) recent.forget('estate')
        }
      },
    },
    mesh: meshState(ground),
    evidence: meshEvidence(answers),
    journal: kept.journal,
    estate: () => recent.of('estate', estate),
    applications: () => recent.of('applications', kept.applications),
  }
}

/** Of all versions of a group alike. */
function listKey({ apiVersion, kind }: Pick<ObjectName, 'apiVersion' | 'kind'>): string {
  return `list ${groupOf(apiVersion)} ${kind}`
}
