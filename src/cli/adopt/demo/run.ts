import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readApplications } from '../../../adoption/inventory/folder.ts'
import { Engine } from '../../../adoption/onboarding/engine.ts'
import { folderObjects } from '../../../adoption/onboarding/objects/folder.ts'
import { STEPS } from '../../../adoption/onboarding/steps/all.ts'
import type { Objects } from '../../../adoption/onboarding/world.ts'
import { htmlOf } from '../../../adoption/report/html.ts'
import { markdownOf } from '../../../adoption/report/markdown.ts'
import { keyOf } from '../../../resources/resource.ts'
import { keptInFolder, laptopWorld } from '../../../server/onboarding/mesh-world.ts'
import { Failure } from '../../failure.ts'
import { styled } from '../../style.ts'
import { StopSignals } from '../../up/stop-signals.ts'
import { askedMesh } from '../onboarding/asked-mesh.ts'
import { measuredProgress } from '../progress.ts'
import { applicationText, entrances, writeEstate, writeInventory } from './estate.ts'
import { followedRepository } from './git-ops.ts'
import { Laptop } from './laptop.ts'
import { demoReport, demoResult } from './report.ts'
import { TROUBLES } from './troubles.ts'
import { Visitors } from './visitors.ts'
import { walk } from './walk.ts'

export interface DemoOptions {
  readonly name: string
  readonly report: string
  readonly git: boolean
  readonly small: boolean
  readonly timeout: number
}

/** These join when somebody has found out about them. */
const UNASKED = TROUBLES.flatMap(({ remedy }) => (remedy && 'join' in remedy ? [remedy.join] : []))

/** The whole walk on this machine. @throws Failure where something failed on the way, or not all arrived */
export async function runDemo({ name, report, git, small, timeout }: DemoOptions): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'weft-demo-'))
  const signals = new StopSignals()
  const signal = AbortSignal.any([signals.first, AbortSignal.timeout(timeout)])
  try {
    const fill = (folder: string) => writeEstate(folder, small)
    const place = git ? await followedRepository(home, fill) : plainFolder(home, fill)
    say(
      `Starting ${small ? 'a part of the estate' : 'Bookinfo and the estate'}, none of it with a proxy${git ? '; what is written goes to a git repository' : ''}`,
    )
    const laptop = await Laptop.start(name, place.folder, join(home, 'state'), join(home, 'adoption'))
    try {
      await demo(laptop, place.objects, join(home, 'adoption'), resolve(report), small, signal)
    } finally {
      place.end()
      await laptop.stop()
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

interface Followed {
  /** What the mesh follows. */
  readonly folder: string
  readonly objects: Objects
  readonly end: () => void
}

function plainFolder(home: string, fill: (folder: string) => void): Followed {
  const folder = join(home, 'yaml')
  fill(folder)
  return { folder, objects: folderObjects(folder), end: () => {} }
}

async function demo(
  laptop: Laptop,
  objects: Objects,
  adoption: string,
  reports: string,
  isSmall: boolean,
  signal: AbortSignal,
): Promise<void> {
  const began = Date.now()
  writeInventory(adoption, isSmall)
  const world = laptopWorld(askedMesh(laptop.mesh), objects, keptInFolder(adoption))
  const moved = new Set<string>()
  const visitors = new Visitors(laptop.mesh, entrances(isSmall), (application) => moved.has(application))
  const names = readApplications(adoption).applications.map(keyOf)
  say(`${names.length} applications are to join; visitors come all the time`)
  if (laptop.console !== undefined) say(`Watch it, at Adoption: ${laptop.console}`)
  const walked = await walk({
    world,
    engine: new Engine(world),
    entrances: entrances(isSmall),
    applications: names.filter((each) => !UNASKED.includes(each)),
    discover: (application) => {
      const [namespace = '', workload = ''] = application.split('/')
      const path = join(adoption, 'applications', `${namespace}.${workload}.yaml`)
      if (!names.includes(application)) writeFileSync(path, applicationText(namespace, workload, [workload], 'found'))
    },
    onLook: ({ spec, steps }) => {
      if (['watching', 'tidying', 'done'].includes(steps.gateway.state)) moved.add(spec.application)
    },
    onStep: (application, step, { steps }) => {
      if (steps[step].state === 'done') say(`${styled('green', '✓')} ${application}: ${STEPS[step].title}`)
    },
    onTrouble: ({ trouble, told }) =>
      say(`${styled('yellow', '!')} ${trouble.name}, found at ${told.application}: ${told.says}`),
    signal,
  })
  await visitors.stop()
  const result = demoResult({
    walked,
    seconds: Math.round((Date.now() - began) / 1000),
    visits: visitors.visits,
    failedVisits: visitors.failed,
    failedCalls: laptop.failedCalls(),
    progress: await measuredProgress(laptop.mesh, readApplications(adoption).applications, Date.now() - began),
  })
  if (!existsSync(reports)) mkdirSync(reports, { recursive: true })
  const document = demoReport(result, new Date())
  writeFileSync(join(reports, 'demo.md'), markdownOf(document))
  writeFileSync(join(reports, 'demo.html'), htmlOf(document))
  writeFileSync(join(reports, 'demo.json'), `${JSON.stringify(result, null, 2)}\n`)
  const failures = result.failedVisits.length + result.failedCalls.length
  say(
    `${result.steps} steps in ${result.seconds} s, ${result.visits} visits, ${failures} failed requests, ${result.troubles.length} of ${TROUBLES.length} troubles found`,
  )
  say(`The report, with every gate's evidence: ${join(reports, 'demo.html')}`)
  if (!result.arrived) throw new Failure('not everybody arrived', 'see the report for who is held up')
  if (result.troubles.length < TROUBLES.length)
    throw new Failure('something that is wrong with the estate was not found', 'see the report')
  if (failures > 0) throw new Failure(`${failures} requests failed`, 'see the report')
}

function say(text: string): void {
  process.stdout.write(`${styled('dim', new Date().toTimeString().slice(0, 8))} ${text}\n`)
}
