import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { editedFile, extendedFile } from '../../management/releases/edit-file.ts'
import { type Outcomes, outcomesOf, outcomesQuery, summed } from '../../management/releases/outcomes.ts'
import { type Created, edited, NoShift, planShift, type Shares, type Shift } from '../../management/releases/shift.ts'
import type { Pod, Service } from '../../resources/core.ts'
import { resolveHost, serviceOfHost } from '../../resources/host.ts'
import type { DestinationRule, VirtualService } from '../../resources/istio.ts'
import { matchesLabels } from '../../resources/labels.ts'
import { displayName, type Resource } from '../../resources/resource.ts'
import type { ReadFile } from '../../sources/files/files.ts'
import { applyObject, patchObject, readLive } from '../../sources/kubernetes/write.ts'
import { apiServer } from '../cluster-access.ts'
import { Failure } from '../failure.ts'
import { MachineMesh } from '../machine-mesh.ts'
import type { Mesh } from '../mesh.ts'
import { type MeshOptions, runningMesh } from '../running-mesh.ts'

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
    const mesh = await runningMesh(options)
    const short = /^([^.]+)\.([^.]+)(?:\.svc)?$/.exec(name)
    const host = short ? `${short[1]}.${short[2]}.svc.cluster.local` : resolveHost(name, options.namespace ?? 'default')
    return new Release(mesh, host, options, options.route)
  }

  /** What would have to be written. @throws Failure */
  async plan(shares: Shares): Promise<Shift> {
    const [virtualServices, destinationRules, versions] = await Promise.all([
      this.#all<VirtualService>('networking.istio.io/VirtualService'),
      this.#all<DestinationRule>('networking.istio.io/DestinationRule'),
      this.#versions(),
    ])
    const request = { host: this.host, shares, ...(this.#route === undefined ? {} : { route: this.#route }) }
    try {
      return planShift(request, { virtualServices, destinationRules, versions })
    } catch (error) {
      if (error instanceof NoShift) throw new Failure(error.message, error.remedy)
      throw error
    }
  }

  /** Writes what a plan says: to the files of a mesh on this machine, to the API server of a cluster. Tells where. @throws Failure */
  write(shift: Shift): Promise<readonly string[]> {
    return this.mesh instanceof MachineMesh ? this.#writeFiles(shift) : this.#writeCluster(shift)
  }

  /** What came of the requests to a subset, over all proxies that send some. */
  async outcomes(subset: string): Promise<Outcomes> {
    const query = outcomesQuery(this.host, subset)
    const answers = await Promise.all(
      (await this.mesh.envoys()).map((key) => this.mesh.askEnvoy(key, query).catch(() => '{}')),
    )
    return summed(answers.map(outcomesOf))
  }

  #all<R>(kind: string): Promise<readonly R[]> {
    return this.mesh.get<R[]>(`resources/${encodeURIComponent(kind)}`)
  }

  async #versions(): Promise<readonly string[]> {
    const { name, namespace } = serviceOfHost(this.host) ?? {}
    const [services, pods] = await Promise.all([this.#all<Service>('core/Service'), this.#all<Pod>('core/Pod')])
    const service = services.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
    if (!service) {
      if (!name) return []
      const near = services.filter((each) => each.metadata.namespace === namespace).map((each) => each.metadata.name)
      throw new Failure(
        `there is no Service ${namespace}/${name}`,
        `name one of ${near.join(', ') || 'another namespace (-n)'}`,
      )
    }
    const meant = pods.filter(
      ({ metadata }) =>
        metadata.namespace === namespace && matchesLabels(service.spec?.selector, metadata.labels ?? {}),
    )
    return [...new Set(meant.flatMap(({ metadata }) => metadata.labels?.['version'] ?? []))].sort()
  }

  async #writeFiles({ edit, created }: Shift): Promise<readonly string[]> {
    const files = (await this.mesh.get<ReadFile[]>('files')).map(({ path }) => path)
    const written: string[] = []
    const change = async (what: string, changed: (text: string) => string | undefined) => {
      for (const file of files) {
        const text = changed(readFileSync(file, 'utf8'))
        if (text === undefined) continue
        await writeFile(`${file}.weft-new`, text)
        await rename(`${file}.weft-new`, file)
        written.push(`${what} in ${file}`)
        return
      }
      throw new Failure(
        `${what} is in none of the files of ${this.mesh.label}`,
        'write it with --dry-run -o yaml, and apply that',
      )
    }
    if (created.length > 0) {
      const { name = '', namespace = '' } = serviceOfHost(this.host) ?? {}
      const service = { kind: 'Service', name, namespace }
      const place = ['metadata', 'name']
      await change(created.map(createdText).join(' and '), (text) =>
        editedFile(text, service, place, name) === undefined ? undefined : extendedFile(text, created),
      )
    }
    if (edit) {
      const { kind, metadata } = edit.object
      const object = { kind, name: metadata.name, namespace: metadata.namespace ?? '' }
      await change(displayName(edit.object), (text) => editedFile(text, object, edit.path, edit.after))
    }
    return written
  }

  async #writeCluster({ edit, created }: Shift): Promise<readonly string[]> {
    const server = apiServer(this.#options)
    for (const object of created) await applyObject(server, object, { fieldManager: 'weft-cli' })
    if (edit) {
      const live = await readLive(server, edit.object)
      if (!live) throw new Failure(`${displayName(edit.object)} is gone`, 'try again')
      // Lists are replaced whole, so what is in them must be what was just read.
      const { spec } = edited({ ...edit, object: live as unknown as Resource }) as { spec: { http?: unknown } }
      const { resourceVersion } = live.metadata
      await patchObject(server, edit.object, { metadata: { resourceVersion }, spec: { http: spec.http } })
    }
    return [...created.map(createdText), ...(edit ? [displayName(edit.object)] : [])]
  }
}

function createdText({ kind, metadata: { namespace, name } }: Created): string {
  return `${kind} ${namespace}/${name}`
}

/** `v1 90 %, v2 10 %` */
export function sharesText(shares: Shares | undefined): string {
  if (!shares) return 'all versions alike'
  return [...shares].map(([subset, share]) => `${subset || 'all versions'} ${share} %`).join(', ')
}

/** Whole objects as they would be written. */
export function objectsOf({ edit, created }: Shift): readonly unknown[] {
  if (!edit) return created
  const { apiVersion, kind, metadata, spec } = edited(edit)
  const { name, namespace, labels, annotations } = metadata
  return [...created, { apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }]
}
