import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { type Command, Option } from 'commander'
import type { Audience } from '../../management/releases/audience.ts'
import { type Outcomes, outcomesOf, outcomesQuery, summed } from '../../management/releases/outcomes.ts'
import { createdName, plannedFiles } from '../../management/releases/planned-files.ts'
import { releaseObjects } from '../../management/releases/release-objects.ts'
import { edited, type Mirror, type ReleaseObjects, type Shift, type Target } from '../../management/releases/routes.ts'
import { NoShift, type Shares } from '../../management/releases/shares.ts'
import { planMirror, planNoAudience, planShift } from '../../management/releases/shift.ts'
import type { Pod, Service } from '../../resources/core.ts'
import type { HTTPRoute } from '../../resources/gateway-api.ts'
import { resolveHost } from '../../resources/host.ts'
import type { DestinationRule, VirtualService } from '../../resources/istio.ts'
import { displayName } from '../../resources/resource.ts'
import type { ReadFile } from '../../sources/files/files.ts'
import { replaceFile } from '../../sources/files/replace-file.ts'
import { ApiError } from '../../sources/kubernetes/api-server.ts'
import { applyObject, patchObject, readLive } from '../../sources/kubernetes/write.ts'
import { apiServer } from '../cluster-access.ts'
import { Failure } from '../failure.ts'
import { MachineMesh } from '../machine-mesh.ts'
import type { Mesh } from '../mesh.ts'
import { type OutputFormat, outputOption, print, structured } from '../output-format.ts'
import { addMeshOptions, type MeshOptions, meshToChange } from '../running-mesh.ts'

/** A change of who gets how many of the requests to one host. */
export class Release {
  readonly host: string
  readonly mesh: Mesh
  readonly #options: MeshOptions
  readonly #route: string | undefined

  private constructor(mesh: Mesh, host: string, options: MeshOptions, route: string | undefined) {
    this.mesh = mesh
    this.host = host
    this.#options = options
    this.#route = route
  }

  /** @param name of the Service: short, with its namespace, or in full */
  static async of(
    name: string,
    options: MeshOptions & { readonly namespace?: string; readonly route?: string },
  ): Promise<Release> {
    const mesh = await meshToChange(options)
    const short = /^([^.]+)\.([^.]+)(?:\.svc)?$/.exec(name)
    const host = short
      ? `${short[1]}.${short[2]}.svc.cluster.local`
      : resolveHost(name, options.namespace ?? mesh.namespace)
    return new Release(mesh, host, options, options.route)
  }

  /** What would have to be written so that requests, or those of some, are spread so. @throws Failure */
  plan(shares: Shares, audience?: Audience): Promise<Shift> {
    return this.#planned((objects) =>
      planShift({ ...this.#choice, shares, ...(audience ? { audience } : {}) }, objects),
    )
  }

  /** What would have to be written so that nothing is said of some requests alone. @throws Failure */
  planNoAudience(audience: Audience): Promise<Shift> {
    return this.#planned((objects) => planNoAudience(this.#choice, audience, objects))
  }

  /** What would have to be written so that a version sees a share of the requests too, or none where `mirror` is undefined. @throws Failure */
  planMirror(mirror: Mirror | undefined): Promise<Shift> {
    return this.#planned((objects) => planMirror(this.#choice, mirror, objects))
  }

  /** Writes what a plan says: to the files of a mesh on this machine, to the API server of a cluster. Tells where. @throws Failure */
  write(shift: Shift): Promise<readonly string[]> {
    return this.mesh instanceof MachineMesh ? this.#writeFiles(shift) : this.#writeCluster(shift)
  }

  /** What came of the requests to a version, over all proxies that send some. */
  async outcomes({ host, subset }: Target): Promise<Outcomes> {
    const query = outcomesQuery(host, subset)
    const answers = await Promise.all(
      (await this.mesh.envoys()).map((key) => this.mesh.askEnvoy(key, query).catch(() => '{}')),
    )
    return summed(answers.map(outcomesOf))
  }

  #all<R>(kind: string): Promise<readonly R[]> {
    return this.mesh.get<R[]>(`resources/${encodeURIComponent(kind)}`)
  }

  get #choice() {
    return { host: this.host, ...(this.#route === undefined ? {} : { route: this.#route }) }
  }

  async #planned(plan: (objects: ReleaseObjects) => Shift): Promise<Shift> {
    const [virtualServices, httpRoutes, destinationRules, services, pods] = await Promise.all([
      this.#all<VirtualService>('networking.istio.io/VirtualService'),
      this.#all<HTTPRoute>('gateway.networking.k8s.io/HTTPRoute'),
      this.#all<DestinationRule>('networking.istio.io/DestinationRule'),
      this.#all<Service>('core/Service'),
      this.#all<Pod>('core/Pod'),
    ])
    const there = { virtualServices, httpRoutes, destinationRules, services, pods }
    return refused(() => plan(releaseObjects(this.host, there)))
  }

  async #writeFiles(shift: Shift): Promise<readonly string[]> {
    const files = await this.mesh.get<ReadFile[]>('files')
    const texts = new Map(files.map(({ path }) => [path, readFileSync(path, 'utf8')]))
    const planned = refused(() => plannedFiles(texts, this.host, shift))
    for (const { path, after } of planned) replaceFile(path, after)
    return planned.map(({ path, objects }) => `${objects.join(' and ')} in ${path}`)
  }

  async #writeCluster(shift: Shift): Promise<readonly string[]> {
    try {
      return await this.#writeAsYou(shift)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 403) throw error
      throw new Failure(error.message, 'print it with weft shift --dry-run -o yaml, for somebody who may')
    }
  }

  async #writeAsYou({ edit, created }: Shift): Promise<readonly string[]> {
    const server = apiServer(this.#options)
    for (const object of created) await applyObject(server, object, { fieldManager: 'weft-cli' })
    if (edit) {
      const live = await readLive(server, edit.object)
      if (!live) throw new Failure(`${displayName(edit.object)} is gone`, 'try again')
      const [, list = ''] = edit.path as readonly string[]
      const listOf = (object: object) => (object as { spec?: Record<string, unknown> }).spec?.[list]
      // Lists are replaced whole, so what was planned must have been planned for what is there.
      if (!isDeepStrictEqual(listOf(live), listOf(edit.object)))
        throw new Failure(`${displayName(edit.object)} was changed meanwhile`, 'try again')
      const { resourceVersion } = live.metadata
      await patchObject(server, edit.object, { metadata: { resourceVersion }, spec: { [list]: listOf(edited(edit)) } })
    }
    return [...created.map(createdName), ...(edit ? [displayName(edit.object)] : [])]
  }
}

/** `v1 90 %, v2 10 %` */
export function sharesText(shares: Shares | undefined): string {
  if (!shares) return 'all versions alike'
  return [...shares].map(([subset, share]) => `${subset || 'all versions'} ${share} %`).join(', ')
}

/** What `make` makes. @throws Failure where it throws NoShift */
export function refused<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof NoShift) throw new Failure(error.message, error.remedy)
    throw error
  }
}

/** Options of the commands that write a release. */
export interface ReleaseOptions extends MeshOptions {
  readonly namespace?: string
  readonly route?: string
  readonly dryRun?: boolean
  readonly output?: OutputFormat
}

/** Adds `ReleaseOptions` to a command. */
export function addReleaseOptions(command: Command): void {
  command
    .option('--route <name>', 'the rule to change, by its name or its object’s (default: the last one for the service)')
    .option('-n, --namespace <namespace>', 'namespace of a service named without one (default: "default")')
    .addOption(new Option('--dry-run', 'print what would be written, and write nothing'))
    .addOption(outputOption())
  addMeshOptions(command)
}

/** Writes or prints a plan, as the options say. */
export async function writtenAsAsked(
  release: Release,
  shift: Shift,
  { dryRun, output }: ReleaseOptions,
  text: string,
): Promise<void> {
  if (dryRun || output) {
    await print(await plannedText(shift, output))
    if (dryRun) return
  }
  const written = await release.write(shift)
  if (!output) await print([text, ...written.map((where) => `  wrote ${where}\n`)].join(''))
}

/** The objects of a plan, for a commit. */
export async function plannedText(shift: Shift, output: OutputFormat | undefined): Promise<string> {
  const texts = await Promise.all(objectsOf(shift).map((object) => structured(output ?? 'yaml', object)))
  return texts.join(output === 'json' ? '' : '---\n')
}

/** Whole objects as they would be written. */
function objectsOf({ edit, created }: Shift): readonly unknown[] {
  if (!edit) return created
  const { apiVersion, kind, metadata, spec } = edited(edit)
  const { name, namespace, labels, annotations } = metadata
  return [...created, { apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }]
}
