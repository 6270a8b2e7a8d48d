import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import type { Command } from 'commander'
import { openCa } from '../identity/ca.ts'
import { type CaSummary, summarizeCa } from '../identity/ca-summary.ts'
import {
  beginRotation,
  endRotation,
  moveRotation,
  type RootRotationStage,
  type Rotation,
} from '../identity/rotation.ts'
import { behind } from '../identity/rotation-progress.ts'
import type { CertificateView } from '../server/certificate-view.ts'
import { operated } from './ca-operation.ts'
import { addCaOptions, type CaOptions, type CaPlace, caPlaceToChange } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'
import { Steps } from './steps.ts'

interface Options extends CaOptions {
  readonly root: boolean
  readonly back: boolean
}

/** `weft ca rotate` */
export function defineRotate(command: Command): void {
  command
    .description(
      `Replaces what signs the certificates of workloads, with no failed request. Without --root: the intermediate, and with it every certificate. With --root: the root, in stages, each of
which waits until every proxy has confirmed what it got:
  1. the old root and the new one are trusted
  2. every certificate is replaced by one that ends in the new root
  3. only the new root is trusted
The stage is kept with the certificate authority: end this command at any point, and run it again to go on; the mesh works on in between.
The new root is the one that weft ca install prepared; a self-made root may be followed by another one that Weft makes.`,
    )
    .option('--root', 'the root too', false)
    .option('--back', "give a root's rotation up, and go back to the old root: until its last stage", false)
    .action(async ({ root, back, ...which }: Options) => {
      const place = await caPlaceToChange(which)
      const summary = await summarizeCa(place.store, place.trustDomain)
      if (back) return goBack(place, summary)
      const rotation = summary.rotation ?? (await begin(place, summary, root))
      if ((rotation.kind === 'root') !== root)
        throw new Failure(
          `a rotation of the ${rotation.kind} is under way`,
          rotation.kind === 'root' ? 'go on with it: weft ca rotate --root' : 'go on with it: weft ca rotate',
        )
      if (rotation.kind === 'root') await rotateRoot(place, rotation.stage)
      else await rotateIntermediate(place, rotation)
      return undefined
    })
  addCaOptions(command)
  withExamples(command, [
    ['a new intermediate', 'weft ca rotate'],
    ['to the root that weft ca install prepared, or to another self-made one', 'weft ca rotate --root'],
  ])
}

async function begin(place: CaPlace, summary: CaSummary, root: boolean): Promise<Rotation> {
  const rotation = await begun(place, summary, root)
  await operated(place, `ca.rotate.${rotation.kind}`, { reason: 'begun' })
  return rotation
}

async function begun({ store }: CaPlace, summary: CaSummary, root: boolean): Promise<Rotation> {
  const { root: present, intermediate, nextRoot, nextIntermediate, nextSigner, place } = summary
  if (!present)
    throw new Failure(`there is no certificate authority in ${place}`, 'the first start of the mesh makes one')
  const startedAt = new Date().toISOString()
  if (root) {
    const isReady = nextRoot !== undefined && (nextIntermediate ?? nextSigner) !== undefined
    if (!isReady && !present.selfMade)
      throw new Failure(
        `no new root is ready, and Weft does not make one in the place of "${present.subject}"`,
        'prepare it: weft ca csr, have it signed, weft ca install CHAIN --root ROOT',
      )
    const rotation: Rotation = { kind: 'root', stage: 'trust', selfMade: !isReady, startedAt }
    await beginRotation(store, rotation)
    return rotation
  }
  if (!intermediate) throw new Failure(`an authority elsewhere signs (${summary.signer})`, 'rotate it there')
  if (!present.keyIsHere)
    throw new Failure(
      "the root's key is not here, so that no new intermediate can be made",
      'have one signed: weft ca csr, then weft ca install CHAIN, which replaces the intermediate and all certificates',
    )
  const rotation: Rotation = { kind: 'intermediate', replaces: intermediate.keyId, startedAt }
  await beginRotation(store, rotation)
  return rotation
}

const STAGES: readonly (readonly [stage: RootRotationStage, what: string])[] = [
  ['trust', '1/3 trust the old root and the new one'],
  ['sign', '2/3 replace every certificate by one of the new root'],
  ['distrust', '3/3 trust only the new root'],
]

async function rotateRoot(place: CaPlace, from: RootRotationStage): Promise<void> {
  if (from === 'retreat') throw new Failure('the rotation is on its way back', 'end that: weft ca rotate --root --back')
  const first = STAGES.findIndex(([stage]) => stage === from)
  const steps = new Steps()
  // In stage `finish` nothing is left to wait for.
  for (const [stage, what] of first < 0 ? [] : STAGES.slice(first)) {
    await moveRotation(place.store, stage)
    await step(steps, place, what)
  }
  await endRotation(place.store)
  const { root } = await summarizeCa(place.store, place.trustDomain)
  await operated(place, 'ca.rotate.root', { about: root?.subject ?? '', reason: 'ended' })
  await print(`The root is "${root?.subject}" now.\n`)
}

async function rotateIntermediate(place: CaPlace, rotation: Rotation): Promise<void> {
  await step(new Steps(), place, 'replace the intermediate and every certificate', rotation)
  await endRotation(place.store)
  const { intermediate } = await summarizeCa(place.store, place.trustDomain)
  await operated(place, 'ca.rotate.intermediate', { about: intermediate?.subject ?? '', reason: 'ended' })
  await print(`The intermediate is "${intermediate?.subject}" now.\n`)
}

async function goBack(place: CaPlace, { rotation }: CaSummary): Promise<void> {
  if (rotation?.kind !== 'root') throw new Failure("no root's rotation is under way", 'look with: weft ca status')
  if (rotation.stage === 'distrust' || rotation.stage === 'finish')
    throw new Failure(
      'the old root is not trusted any more',
      'end this rotation: weft ca rotate --root; then begin another',
    )
  await moveRotation(place.store, 'retreat')
  await step(new Steps(), place, 'replace every certificate by one of the old root')
  await endRotation(place.store)
  await operated(place, 'ca.rotate.root', { reason: 'taken back' })
  await print('The root is the old one, and no other is trusted.\n')
}

const LOOK_MS = 300
/** Each look asks the API server and every server. */
const LOOK_IN_CLUSTER_MS = 1500

/** Waits until everybody has what the stage says that is kept. */
async function step(steps: Steps, place: CaPlace, what: string, known?: Rotation): Promise<void> {
  steps.begin(what)
  const told = () => {
    steps.failed()
    process.stderr.write('Stopped. The mesh works on as it is; the same command goes on from here.\n')
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, told)
  try {
    for (;;) {
      const { rotation = known } = await summarizeCa(place.store, place.trustDomain)
      if (!rotation) throw new Failure('somebody else has ended the rotation', 'look with: weft ca status')
      const left = await missing(place, rotation)
      if (left.waiting.length === 0) return steps.end(left.proxies === 0 ? 'done' : `${left.proxies} proxies have it`)
      steps.state(
        `waiting for ${left.waiting.slice(0, 3).join(', ')}${left.waiting.length > 3 ? ` and ${left.waiting.length - 3} more` : ''}`,
      )
      await after(place.cluster ? LOOK_IN_CLUSTER_MS : LOOK_MS)
    }
  } catch (error) {
    steps.failed()
    throw error
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, told)
  }
}

async function missing(place: CaPlace, rotation: Rotation): Promise<{ waiting: readonly string[]; proxies: number }> {
  const { mesh, store, trustDomain, cluster } = place
  if (!mesh) {
    // Nobody runs with it: what is to be made is made here.
    await openCa(store, { trustDomain })
    return { waiting: [], proxies: 0 }
  }
  // A server that is being started again, or a pod, is waited for as everything else is.
  try {
    const inCluster = cluster && (await import('./ca-cluster-roots.ts'))
    const [servers, proxies] = await Promise.all([
      (inCluster ? inCluster.meshAsItIs(cluster.server) : mesh).getAll<CertificateView>('ca'),
      inCluster ? inCluster.proxiesInCluster(cluster.server) : mesh.envoys(),
    ])
    const waiting = behind(rotation, servers, proxies)
    if (waiting.length > 0 || !inCluster) return { waiting, proxies: proxies.length }
    return {
      waiting: await inCluster.behindInCluster(cluster.server, servers[0]?.trustBundlePem ?? ''),
      proxies: proxies.length,
    }
  } catch (error) {
    return { waiting: [(error as Error).message], proxies: 0 }
  }
}
