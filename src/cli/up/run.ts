import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { envoyLibrary, envoyVersion, findEnvoy } from '../../agent/envoy-binary.ts'
import { type Claim, claimMesh } from '../../agent/supervise/claim.ts'
import { type MeshFolders, podSocket, runFile } from '../../agent/supervise/folders.ts'
import { removeRunFiles } from '../../agent/supervise/leftovers.ts'
import { LocalMesh } from '../../agent/supervise/local-mesh.ts'
import { type MeshSettings, XDS_PORT } from '../../agent/supervise/mesh-settings.ts'
import { DEFAULT_TRUST_DOMAIN, serverId, workloadId } from '../../identity/spiffe.ts'
import { consoleUrl } from '../../server/console/console-key.ts'
import { followEvents } from '../../server/event-stream.ts'
import { serverAddress } from '../../sources/local-cluster/addresses.ts'
import { readImageMap } from '../../sources/local-cluster/image-map.ts'
import type { PodPlan } from '../../sources/local-cluster/pod-plan.ts'
import { HEADERS_VARIABLE, receiverAt } from '../../telemetry/export/receiver.ts'
import { bootstrapJson } from '../../translate/bootstrap.ts'
import { proxylessBootstrap } from '../../translate/proxyless/bootstrap.ts'
import { Failure } from '../failure.ts'
import { MachineMesh } from '../machine-mesh.ts'
import { openBrowser } from '../open-browser.ts'
import { styled } from '../style.ts'
import { table } from '../table.ts'
import type { UpOptions } from '../up.ts'
import { copyDemo, DEMO_EXAMPLES, DEMO_PAGE, SAMPLE_IMAGES } from './demo.ts'
import { demoTraffic } from './demo-traffic.ts'
import { answers, gatewayUrls } from './gateways.ts'
import { Screen } from './screen.ts'
import { settled } from './settled.ts'
import { StopSignals } from './stop-signals.ts'

/** How long an orderly end may take, in ms. */
const STOP_GRACE_MS = 5000
/** After this time, in ms, without all pods ready it is said which are not, and again after each such time. */
const SLOW_MS = 10_000

/** How often to look whether it is time to say so, in ms. */
const LOOK_MS = 500

const WEFT = fileURLToPath(new URL('../../../bin/weft.js', import.meta.url))

/** Runs a mesh until it is told to stop. */
export async function up(options: UpOptions): Promise<void> {
  const paths = options.filename ?? []
  if (paths.length === 0 && !options.demo)
    throw new Failure('nothing to run', 'name files or folders with -f, or add --demo')
  for (const path of paths) if (!existsSync(path)) throw new Failure(`${path} is not there`, 'name another with -f')
  const images = resolve(options.images ?? SAMPLE_IMAGES)
  readImageMap(images) // so that a mistake in it is told here and now

  const screen = new Screen()
  const signals = new StopSignals()
  const name = options.name ?? (options.demo ? 'demo' : 'default')
  const claim = await claimMesh({
    name,
    orAnother: options.demo && options.name === undefined,
    ...(options.stateDir === undefined ? {} : { stateFolder: resolve(options.stateDir) }),
  })
  try {
    if (claim.cleaned) screen.note('cleaned up what was left of a mesh that was killed')
    const envoy = await Promise.race([findEnvoy(), signals.stopped()])
    // Whatever is being downloaded is cached when it is done, or fetched again.
    if (envoy === undefined) process.exit(0)
    if (options.fips) await refuseUnapproved(envoy)
    screen.step(`Envoy ${await envoyVersion(envoy)} (${envoy})`)
    const demo = options.demo ? demoFolder(claim) : undefined
    const settings: MeshSettings = {
      name: claim.folders.name,
      pid: process.pid,
      run: randomUUID(),
      block: claim.block,
      paths: [...(demo === undefined ? [] : [demo]), ...paths],
      recursive: options.recursive,
      folder: process.cwd(),
      images,
      stateFolder: claim.folders.state,
      trustDomain: DEFAULT_TRUST_DOMAIN,
      certificateLifeMs: options.certificateLife,
      ...(options.prometheus === undefined ? {} : { prometheus: options.prometheus }),
      ...(options.otlpExport === undefined
        ? {}
        : { otlpExport: receiverAt(options.otlpExport, process.env[HEADERS_VARIABLE]).url }),
      ...(options.adoption === undefined ? {} : { adoption: resolve(options.adoption) }),
      fips: options.fips ?? false,
    }
    await run(claim, settings, envoy, screen, signals, demo)
  } finally {
    removeRunFiles(claim.folders)
    await claim.release()
  }
}

/** @throws Error where this Node.js or that Envoy is no build with validated cryptography */
async function refuseUnapproved(envoy: string): Promise<void> {
  const { requireApprovedCryptography, unapprovedEnvoy } = await import('../../identity/approved-cryptography.ts')
  const problem = unapprovedEnvoy(await envoyLibrary(envoy))
  if (problem !== undefined) throw new Error(problem)
  requireApprovedCryptography()
}

function demoFolder({ folders }: Claim): string {
  const folder = runFile(folders, 'yaml')
  copyDemo(folder)
  return folder
}

async function run(
  claim: Claim,
  settings: MeshSettings,
  envoy: string,
  screen: Screen,
  signals: StopSignals,
  demo: string | undefined,
): Promise<void> {
  const { folders } = claim
  if (signals.first.aborted) return
  let changed = () => {}
  const mesh = new LocalMesh({
    folders,
    settings,
    envoy,
    bootstrap: (plan) => bootstrap(claim, settings, plan),
    grpcBootstrap: ({ name, namespace, address }) =>
      json(proxylessBootstrap({ pod: name, namespace, address }, `unix:${runFile(folders, 'grpcSocket')}`)),
    weft: [process.execPath, WEFT],
    onEvent: (text) => screen.event(text),
    onPods: () => changed(),
  })
  const endEvents = followEvents(runFile(folders, 'serverSocket'), (event) => screen.server(event))
  const over = new AbortController()
  const podsChange = () =>
    new Promise<void>((resolve) => {
      changed = resolve
    })
  try {
    const { first } = signals
    const ready = whenReady(mesh, screen, AbortSignal.any([first, over.signal]), podsChange)
    const failure = await Promise.race([mesh.failed, ready])
    if (failure) throw new Failure(failure.problem, failure.remedy)
    if (!first.aborted) await report(mesh, settings, screen, first, demo, folders)
    await signals.stopped()
    screen.note('stopping ... (again to stop at once)')
  } finally {
    over.abort()
    endEvents()
    await Promise.race([mesh.stop(STOP_GRACE_MS), signals.again()])
    await mesh.kill()
  }
}

function bootstrap({ folders }: Claim, { block, trustDomain }: MeshSettings, plan: PodPlan): string {
  const { role, name, namespace, address } = plan
  const made = bootstrapJson({
    role: role === 'gateway' ? role : 'sidecar',
    pod: name,
    namespace,
    address,
    adminSocket: podSocket(folders, address, 'admin'),
    sdsSocket: podSocket(folders, address, 'sds'),
    server: { host: serverAddress(block), port: XDS_PORT },
    serverIdentity: serverId(trustDomain),
  })
  return json(made)
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** Tells how far it is, until every pod is ready. */
async function whenReady(
  mesh: LocalMesh,
  screen: Screen,
  signal: AbortSignal,
  podsChange: () => Promise<void>,
): Promise<void> {
  const started = performance.now()
  const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve))
  let told = ''
  let slowAt = started + SLOW_MS
  while (!signal.aborted) {
    const change = podsChange()
    const { desired } = mesh
    if (desired) {
      const statuses = new Map(mesh.statuses().map((status) => [status.key, status]))
      const unready = desired.filter(({ key }) => !statuses.get(key)?.ready)
      if (unready.length === 0) {
        const took = `${((performance.now() - started) / 1000).toFixed(1)} s`
        if (desired.length > 0) screen.step(`${desired.length} of ${desired.length} pods ready after ${took}`)
        else
          screen.note(
            'no pods yet: there is no Deployment, Pod or Gateway in the files that can run; they are followed',
          )
        return
      }
      const text = `${desired.length - unready.length} of ${desired.length} pods ready`
      if (performance.now() > slowAt) {
        slowAt += SLOW_MS
        if (told !== text) screen.note(`  ${text}; waiting for ${unready.map(({ key }) => key).join(', ')}`)
        told = text
      }
    }
    await Promise.race([change, after(LOOK_MS), stopped])
  }
}

async function report(
  mesh: LocalMesh,
  settings: MeshSettings,
  screen: Screen,
  signal: AbortSignal,
  demo: string | undefined,
  folders: MeshFolders,
): Promise<void> {
  const pods = mesh.desired ?? []
  const running = new MachineMesh(folders)
  const names = pods.map(({ key }) => key)
  const proxied = pods.filter(({ role }) => role !== 'none').map(({ key }) => key)
  if (await settled(running, names, proxied, SLOW_MS, signal)) screen.step('every proxy has its configuration')
  else screen.note('not every proxy has its configuration yet: see weft proxy-status')
  const urls = gatewayUrls(pods)
  const [url] = urls
  if (demo !== undefined && url !== undefined) {
    if (await answers(`${url}${DEMO_PAGE}`, 30_000, signal)) screen.step('traffic flows through the gateway')
    else screen.note(`the gateway does not answer at ${url}${DEMO_PAGE}; see the logs`)
  }
  const rows = pods.map((pod) => [
    pod.key,
    pod.role,
    pod.address,
    pod.role === 'none' ? 'none' : workloadId(pod.namespace, pod.serviceAccount, settings.trustDomain),
  ])
  if (rows.length > 0) screen.note(`\n${table(['POD', 'PROXY', 'ADDRESS', 'IDENTITY'], rows)}`)
  const name = settings.name === 'default' ? '' : ` --name ${settings.name}`
  const page = consoleUrl(folders, settings.block)
  if (page !== undefined) screen.note(`\nConsole at ${styled('bold', page)}`)
  if (demo !== undefined) {
    // Something to look at, from the start.
    demoTraffic(`${url}${DEMO_PAGE}`, signal)
    if (page !== undefined) openBrowser(page)
    screen.note(
      [
        `Bookinfo is at ${url}${DEMO_PAGE}, and somebody asks for it four times a second`,
        '',
        'Three things to try:',
        `  1. Open that page and reload: reviews come from v1, v2 (black stars) and v3 (red stars) in turn.`,
        `  2. Shift the traffic, with no restart and no failed request (the mesh follows this folder):`,
        `     cp ${DEMO_EXAMPLES}/reviews-90-10.yaml ${demo}/`,
        `  3. See what an Envoy runs: npx weft proxy-config productpage-v1-0 clusters${name}`,
      ].join('\n'),
    )
  } else {
    screen.note(
      [
        ...urls.map((url) => `Gateway at ${url}`),
        'Three things to try:',
        `  1. Change a file: the change reaches every proxy at once.`,
        `  2. npx weft proxy-status${name}`,
        `  3. npx weft analyze${name}`,
      ].join('\n'),
    )
  }
  screen.note(`\nMesh ${settings.name} is ready. Ctrl-C ends it. Logs: ${runFile(folders, 'logs')}\n`)
}
