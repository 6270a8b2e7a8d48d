import { setTimeout as after } from 'node:timers/promises'
import { AGENT_NAME, INJECTOR_WEBHOOK, SERVER_NAME, VALIDATOR_WEBHOOK } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { applyObject, deleteObject, type LiveObject, readLive } from '../sources/kubernetes/write.ts'
import { sameValue } from '../store/same-value.ts'
import { missingDefinitions } from './definitions.ts'
import { existingInstallation } from './existing.ts'
import { fillPart, type InstalledObject, type Part } from './installation.ts'
import { ownedObjects } from './owned.ts'
import { type RolloutState, rolledOut, type Workload } from './rollout.ts'
import type { Values } from './template.ts'
import { refuseOtherTrustDomain } from './trust-domain.ts'
import { refuseOtherVolumes, serverKind } from './volumes.ts'

/** Definitions that are written at the same time: they are large, and the API server takes its time for each. */
const AT_ONCE = 5

/** What was done with objects. */
export interface Written {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  readonly removed: number
}

/** How an installation goes on, for a screen. */
export interface InstallProgress {
  /** A step begins. `what`: in a few words, such as `server`. */
  readonly begin: (what: string) => void
  /** Something about the step that may be of interest while it lasts. */
  readonly state: (text: string) => void
  /** It went well. */
  readonly end: (text: string) => void
}

export interface InstallRequest {
  readonly values: Values
  /** How long server and agents may take to be ready, each, in ms. */
  readonly timeoutMs: number
  readonly progress: InstallProgress
}

/**
 * Makes a cluster have an installation: writes what differs, removes what is not wanted any more, and waits until server and agents are
 * ready and the webhooks can be called. Throws ApiError, or Error with what is in the way.
 */
export async function install(server: ApiServer, { values, timeoutMs, progress }: InstallRequest): Promise<Written> {
  const namespace = String(values['namespace'])
  await refuseOther(server, namespace)
  await refuseOtherVolumes(server, values)
  await refuseOtherTrustDomain(server, values)
  const writer = new Writer(server)

  progress.begin('definitions of kinds')
  const { missing, left } = await missingDefinitions(server, values)
  for (let start = 0; start < missing.length; start += AT_ONCE)
    await Promise.all(missing.slice(start, start + AT_ONCE).map((definition) => writer.apply(definition)))
  await established(server, missing, timeoutMs)
  progress.end([...(missing.length > 0 ? [`${missing.length} of ours`] : []), ...left].join('; ') || 'none wanted')

  const write = async (part: Part) => {
    for (const object of fillPart(part, values)) await writer.apply(object)
  }
  progress.begin('namespace and access')
  await write('namespace')
  await write('access')
  progress.end(namespace)

  const rollOut = async (kind: Workload['kind'], name: string) => {
    const { ready, wanted } = await rolledOut(server, { kind, namespace, name }, timeoutMs, (state) =>
      progress.state(stateText(state)),
    )
    progress.end(`${ready} of ${wanted} ready`)
  }
  progress.begin('server')
  // One that is wanted no more would go on setting the number of servers, against what is written. Of this kind alone: those defined just now can't be listed yet.
  const isWanted = (object: LiveObject) => isIn(fillPart('server', values), object)
  await writer.prune(namespace, { kinds: ['HorizontalPodAutoscaler'], isWanted })
  await write('server')
  await rollOut(serverKind(values), SERVER_NAME)
  progress.begin('node agents')
  await write('agent')
  await rollOut('DaemonSet', AGENT_NAME)

  progress.begin('webhooks')
  await write('monitoring')
  await write('gateway-class')
  await write('webhooks')
  await callable(server, values, timeoutMs)
  progress.end('ready')

  await writer.prune(namespace)
  return writer.written
}

/** @throws Error where an installation is somewhere else, or somebody else's */
async function refuseOther(server: ApiServer, namespace: string): Promise<void> {
  const there = await existingInstallation(server)
  if (!there) return
  if (there.namespace !== namespace)
    throw new Error(
      `Weft is in this cluster already, in namespace ${there.namespace}, and there can be only one; ` +
        `change that one with -n ${there.namespace}, or remove it first: weft uninstall -n ${there.namespace}`,
    )
  if (there.managedBy === 'Helm')
    throw new Error(
      `the installation in ${namespace} was made by Helm; change it with helm upgrade, or remove it with helm uninstall`,
    )
}

function stateText({ ready, wanted, problems }: RolloutState): string {
  return [`${ready} of ${wanted} ready`, ...problems].join('; ')
}

interface Pruning {
  /** All that installations are made of where absent. */
  readonly kinds?: readonly string[]
  /** What was written where absent. */
  readonly isWanted?: (object: LiveObject) => boolean
}

/** Writes objects and counts what that changed. */
class Writer {
  readonly #server: ApiServer
  readonly #kept = new Set<string>()
  #created = 0
  #changed = 0
  #unchanged = 0
  #removed = 0

  constructor(server: ApiServer) {
    this.#server = server
  }

  get written(): Written {
    return { created: this.#created, changed: this.#changed, unchanged: this.#unchanged, removed: this.#removed }
  }

  async apply(object: InstalledObject): Promise<void> {
    const before = await readLive(this.#server, object)
    const now = await applyObject(this.#server, object)
    this.#kept.add(nameOf(object))
    if (!before) this.#created++
    else if (!sameValue(contentOf(before), contentOf(now))) this.#changed++
    else this.#unchanged++
  }

  /** Removes what an installation with other settings, or of another version, had and this one has not. */
  async prune(namespace: string, { kinds, isWanted }: Pruning = {}): Promise<void> {
    for (const object of await ownedObjects(this.#server, namespace, kinds)) {
      if (isWanted ? isWanted(object) : this.#kept.has(nameOf(object))) continue
      if (await deleteObject(this.#server, object)) this.#removed++
    }
  }
}

function isIn(objects: readonly InstalledObject[], object: LiveObject): boolean {
  return objects.some((each) => nameOf(each) === nameOf(object))
}

/** Without what others write all the time. */
function contentOf(object: LiveObject): unknown {
  const { resourceVersion: _, ...metadata } = { ...object.metadata, managedFields: undefined }
  return { ...object, metadata, status: undefined }
}

function nameOf({ kind, metadata: { namespace = '', name } }: InstalledObject | LiveObject): string {
  return `${kind} ${namespace}/${name}`
}

const LOOK_MS = 200

async function established(server: ApiServer, definitions: readonly InstalledObject[], timeoutMs: number) {
  const isEstablished = (object: LiveObject | undefined) => {
    const { conditions } = (object?.['status'] ?? {}) as {
      // Null at first.
      readonly conditions?: readonly { readonly type: string; readonly status: string }[] | null
    }
    return (conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True')
  }
  for (const definition of definitions) {
    await eventually(timeoutMs, `CustomResourceDefinition ${definition.metadata.name} is not served`, async () =>
      isEstablished(await readLive(server, definition)),
    )
  }
}

/** Until the leader has filled in the CA, the API server can't call the webhooks, and pods that are to get a proxy are refused. */
async function callable(server: ApiServer, values: Values, timeoutMs: number): Promise<void> {
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const wanted = [
    ['MutatingWebhookConfiguration', INJECTOR_WEBHOOK],
    ...(values['validation'] ? [['ValidatingWebhookConfiguration', VALIDATOR_WEBHOOK]] : []),
  ] as const
  for (const [kind = '', name = ''] of wanted) {
    await eventually(timeoutMs, `no server has filled in the caBundle of ${kind} ${name}`, async () => {
      const object = await readLive(server, { apiVersion, kind, metadata: { name } })
      const webhooks = (object?.['webhooks'] ?? []) as readonly {
        readonly clientConfig: { readonly caBundle?: string }
      }[]
      return webhooks.every(({ clientConfig }) => clientConfig.caBundle)
    })
  }
}

async function eventually(timeoutMs: number, problem: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > end)
      throw new Error(`${problem} after ${Math.round(timeoutMs / 1000)} s; look at the log: weft bug-report has it`)
    await after(LOOK_MS)
  }
}
