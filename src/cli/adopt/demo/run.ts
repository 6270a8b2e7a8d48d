import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readApplications } from '../../../adoption/inventory/folder.ts'
import { Engine } from '../../../adoption/onboarding/engine.ts'
import { folderObjects } from '../../../adoption/onboarding/objects/folder.ts'
import { STEPS } from '../../../adoption/onboarding/steps/all.ts'
import { htmlOf } from '../../../adoption/report/html.ts'
import { markdownOf } from '../../../adoption/report/markdown.ts'
import { takeLock } from '../../../agent/supervise/lock.ts'
import { keyOf } from '../../../resources/resource.ts'
import type { ClusterAccess } from '../../../sources/kubernetes/api-server.ts'
import { Failure } from '../../failure.ts'
import { styled } from '../../style.ts'
import { StopSignals } from '../../up/stop-signals.ts'
import { measuredProgress } from '../progress.ts'
import { applicationText, ON_CLUSTER, type Part, SMALL, WHOLE, writeEstate, writeInventory } from './estate.ts'
import { type FollowedRepository, followedRepository } from './git-ops.ts'
import { Laptop } from './laptop.ts'
import type { DemoPlace, Followed } from './place.ts'
import { demoReport, demoResult } from './report.ts'
import { TROUBLES, type Trouble } from './troubles.ts'
import { FAST, ON_CLUSTER_WINDOWS, walk } from './walk.ts'

export interface DemoOptions extends ClusterAccess {
  readonly name: string
  readonly report: string
  readonly git: boolean
  readonly small: boolean
  readonly cluster: boolean
  readonly timeout: number
}

/** The whole walk. @throws Failure where something failed on the way, or not all arrived */
export async function runDemo({ report, git, small, cluster, timeout, ...options }: DemoOptions): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'weft-demo-'))
  const signals = new StopSignals()
  const signal = AbortSignal.any([signals.first, AbortSignal.timeout(timeout)])
  const part = cluster ? ON_CLUSTER : small ? SMALL : WHOLE
  const fill = (folder: string) => writeEstate(folder, part, cluster)
  const adoption = join(home, 'adoption')
  // The mesh's own server would carry on what we do.
  const lock = await takeLock(`onboarding-${adoption}`)
  try {
    say(
      `Starting ${part.label}, none of it with a proxy${git ? '; what is written goes to a git repository, which a small loop applies' : ''}`,
    )
    const repository = git ? await followedRepository(home, fill) : undefined
    const followed = repository ?? plainFolder(home, fill)
    try {
      const place = cluster
        ? await startOnCluster(options, part, followed, repository)
        : await Laptop.start({ name: options.name, followed, stateFolder: join(home, 'state'), adoption, part })
      try {
        if (place instanceof Laptop && place.console !== undefined) say(`Watch it, at Adoption: ${place.console}`)
        await demo(place, part, cluster ? ON_CLUSTER_WINDOWS : FAST, adoption, resolve(report), signal)
      } finally {
        await place.stop()
      }
    } finally {
      followed.end()
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
    if ('release' in lock) await lock.release()
  }
}

function plainFolder(home: string, fill: (folder: string) => void): Followed {
  const folder = join(home, 'yaml')
  fill(folder)
  return { folder, objects: folderObjects(folder), end: () => {} }
}

/** Loaded only where it is needed: a Kubernetes client is large. */
async function startOnCluster(
  access: ClusterAccess,
  part: Part,
  { folder, objects }: Followed,
  repository: FollowedRepository | undefined,
): Promise<DemoPlace> {
  const [{ DemoCluster }, { folderApplier }, { apiServer }] = await Promise.all([
    import('./demo-cluster.ts'),
    import('./applied-folder.ts'),
    import('../../cluster-access.ts'),
  ])
  const server = apiServer(access)
  const place = await DemoCluster.start(server, part, folder, repository && objects)
  repository?.afterEach(folderApplier(server, folder))
  return place
}

async function demo(
  place: DemoPlace,
  part: Part,
  windows: typeof FAST,
  adoption: string,
  reports: string,
  signal: AbortSignal,
): Promise<void> {
  const began = Date.now()
  writeInventory(adoption, part)
  const world = place.world(adoption)
  const moved = new Set<string>()
  const wrong = TROUBLES.filter(({ namespace }) => part.namespaces.includes(namespace))
  place.open((application) => moved.has(application))
  const names = readApplications(adoption).applications.map(keyOf)
  say(`${names.length} applications are to join; visitors come all the time`)
  const walked = await walk({
    world,
    engine: new Engine(world),
    entrances: part.entrances,
    wrong,
    windows,
    applications: names.filter((each) => !unasked(wrong).includes(each)),
    discover: (application) => {
      const [namespace = '', workload = ''] = application.split('/')
      const path = join(adoption, 'applications', `${namespace}.${workload}.yaml`)
      if (!names.includes(application)) writeFileSync(path, applicationText(namespace, workload, [workload], 'found'))
    },
    onRound: () => place.tend(),
    onLook: ({ spec, steps }) => {
      if (['watching', 'tidying', 'done'].includes(steps.gateway.state)) moved.add(spec.application)
    },
    onStep: (application, step, { steps }) => {
      if (steps[step].state === 'done') say(`${styled('green', '✓')} ${application}: ${STEPS[step].title}`)
    },
    onTakenBack: (application, why) => say(`${styled('yellow', '↺')} ${application}: ${why}`),
    onTrouble: ({ trouble, told }) =>
      say(`${styled('yellow', '!')} ${trouble.name}, found at ${told.application}: ${told.says}`),
    signal,
  })
  const { visits, failed, failedCalls } = await place.empty()
  const result = demoResult({
    walked,
    where: place.mesh.label,
    seconds: Math.round((Date.now() - began) / 1000),
    visits,
    failedVisits: failed,
    failedCalls,
    progress: await measuredProgress(place.mesh, readApplications(adoption).applications, Date.now() - began),
  })
  if (!existsSync(reports)) mkdirSync(reports, { recursive: true })
  const document = demoReport(result, new Date())
  writeFileSync(join(reports, 'demo.md'), markdownOf(document))
  writeFileSync(join(reports, 'demo.html'), htmlOf(document))
  writeFileSync(join(reports, 'demo.json'), `${JSON.stringify(result, null, 2)}\n`)
  const failures = result.failedVisits.length + result.failedCalls.length
  say(
    `${result.steps} steps in ${result.seconds} s, ${result.visits} visits, ${failures} failed requests, ${result.troubles.length} of ${wrong.length} troubles found`,
  )
  say(`The report, with every gate's evidence: ${join(reports, 'demo.html')}`)
  if (!result.arrived) throw new Failure('not everybody arrived', 'see the report for who is held up')
  if (result.troubles.length < wrong.length)
    throw new Failure('something that is wrong with the estate was not found', 'see the report')
  if (failures > 0) throw new Failure(`${failures} requests failed`, 'see the report')
}

/** These join when somebody has found out about them. */
function unasked(wrong: readonly Trouble[]): readonly string[] {
  return wrong.flatMap(({ remedy }) => (remedy && 'join' in remedy ? [remedy.join] : []))
}

function say(text: string): void {
  process.stdout.write(`${styled('dim', new Date().toTimeString().slice(0, 8))} ${text}\n`)
}
