import { type ApiGateway, apiGateway } from '../../mesh/routing/api-gateways.ts'
import { GATEWAY_CLASS_LABEL, ourClass } from '../../mesh/routing/gateway-names.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { BackOff } from '../../sources/kubernetes/back-off.ts'
import { applyObject, deleteObject, type LiveObject, listLive, readLive } from '../../sources/kubernetes/write.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Store } from '../../store/store.ts'
import { APPLIED_ANNOTATION, differs, stamped } from './differs.ts'
import type { Value } from './merge.ts'
import { gatewayParameters } from './parameters.ts'
import { type GatewayPod, gatewayObjects, type MadeObject } from './render.ts'

export interface KeepGatewaysOptions {
  readonly server: ApiServer
  /** Knows all of the cluster already. */
  readonly store: Store
  /** `spec.template` of the Deployment of a Gateway. */
  readonly podTemplate: (pod: GatewayPod) => Value
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
  /** After how many ms what is there is looked at again, in case somebody changed it. */
  readonly lookAgainMs?: number
}

/** The kinds that are made for a Gateway. */
const KINDS = [
  ['v1', 'ServiceAccount'],
  ['apps/v1', 'Deployment'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler'],
  ['policy/v1', 'PodDisruptionBudget'],
  ['v1', 'Service'],
] as const

const LOOK_AGAIN_MS = 60_000

/**
 * Makes what the Gateways of our classes need, and keeps it so, until `signal` says that this replica leads no more. Writes only what differs from what
 * is there; leaves alone what is called so and is not ours.
 */
export function keepGateways(options: KeepGatewaysOptions, signal: AbortSignal): void {
  const keeper = new GatewayKeeper(options, signal)
  const end = options.store.subscribe(() => keeper.changed())
  const timer = setInterval(() => keeper.lookAgain(), options.lookAgainMs ?? LOOK_AGAIN_MS)
  signal.addEventListener('abort', () => {
    end()
    clearInterval(timer)
  })
  keeper.changed()
}

class GatewayKeeper {
  readonly #options: KeepGatewaysOptions
  readonly #signal: AbortSignal
  /** What is there, by kind, namespace and name; undefined before it was looked at. */
  #live: Map<string, LiveObject> | undefined
  /** Of these what the store knew of, too: what it no longer knows of was deleted. */
  #known = new Set<string>()
  #running = false
  #again = false
  readonly #backOff = new BackOff()
  #told = new Set<string>()

  constructor(options: KeepGatewaysOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  changed(): void {
    this.#again = true
    if (!this.#running) void this.#run()
  }

  lookAgain(): void {
    this.#live = undefined
    this.changed()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#again && !this.#signal.aborted) {
      this.#again = false
      try {
        if (await this.#once(this.#options.store.snapshot)) this.#backOff.reset()
        else this.#retry()
      } catch (error) {
        if (this.#signal.aborted) break
        this.#tell('error', `cannot read what Gateways have: ${(error as Error).message}`)
        this.#retry()
      }
    }
    this.#running = false
  }

  #retry(): void {
    setTimeout(() => !this.#signal.aborted && this.lookAgain(), this.#backOff.next()).unref()
  }

  /** Whether all is as it should be. */
  async #once(snapshot: Snapshot): Promise<boolean> {
    this.#live ??= await this.#look()
    this.#forgetDeleted(snapshot)
    const wanted = wantedObjects(snapshot, this.#options.podTemplate)
    const problems = new Set<string>()
    for (const [key, objects] of wanted) {
      try {
        for (const object of objects) await this.#make(object)
      } catch (error) {
        if (this.#signal.aborted) return true
        problems.add(`cannot make what Gateway ${key} needs: ${(error as Error).message}`)
      }
    }
    await this.#clear(snapshot, wanted)
    for (const problem of problems) this.#tell('error', problem)
    if (problems.size === 0) this.#told = new Set([...this.#told].filter((text) => text.startsWith(FOREIGN)))
    return problems.size === 0
  }

  async #look(): Promise<Map<string, LiveObject>> {
    const found = new Map<string, LiveObject>()
    for (const [apiVersion, kind] of KINDS) {
      const options = { labelSelector: GATEWAY_CLASS_LABEL, signal: this.#signal }
      for (const object of await listLive(this.#options.server, { apiVersion, kind }, options))
        found.set(keyOfObject(object), object)
    }
    return found
  }

  /** Of the kinds that are watched: at once. Others are looked at again after a while. */
  #forgetDeleted(snapshot: Snapshot): void {
    for (const [key, { kind, metadata }] of this.#live ?? []) {
      if (kind !== 'Service' && kind !== 'ServiceAccount') continue
      const isThere = snapshot.get(`core/${kind}`, `${metadata.namespace}/${metadata.name}`) !== undefined
      if (isThere) this.#known.add(key)
      else if (this.#known.delete(key)) this.#live?.delete(key)
    }
  }

  async #make(object: MadeObject): Promise<void> {
    const { server } = this.#options
    const key = keyOfObject(object)
    // What others made has no label of ours, and was not looked at yet.
    const live = this.#live?.get(key) ?? (await readLive(server, object, this.#signal))
    if (live && isOfFormerGateway(live, object))
      throw new Error(`the ${object.kind} of a former Gateway of its name is still there`)
    if (live && !isOwnedAlike(live, object)) {
      this.#tell(
        'warning',
        `${FOREIGN}${object.kind} ${key.split(' ')[1]} is not made for a Gateway: it is left as it is`,
      )
      return
    }
    if (live && !differs(live, object)) return
    this.#live?.set(key, await applyObject(server, object, { signal: this.#signal }))
    this.#options.log('info', `${live ? 'changed' : 'made'} ${object.kind} ${key.split(' ')[1]} for its Gateway`)
  }

  /** What was made for Gateways that are still there, but need it no longer: of another class, or without a port. The rest goes with its Gateway. */
  async #clear(snapshot: Snapshot, wanted: ReadonlyMap<string, readonly MadeObject[]>): Promise<void> {
    const kept = new Set([...wanted.values()].flat().map(keyOfObject))
    for (const [key, live] of this.#live ?? []) {
      const owner = live.metadata.ownerReferences?.find(({ kind }) => kind === 'Gateway')
      if (kept.has(key) || !owner || !live.metadata.annotations?.[APPLIED_ANNOTATION]) continue
      const gatewayKey = `${live.metadata.namespace}/${owner['name']}`
      const gateway = snapshot.get('gateway.networking.k8s.io/Gateway', gatewayKey)
      const classes = snapshot.all('gateway.networking.k8s.io/GatewayClass')
      // A class that was deleted may have been so by mistake: no reason to take down what serves.
      const isLeft =
        gateway && gateway.metadata.uid === owner['uid'] && classes.get(gateway.spec?.gatewayClassName ?? '')
      if (!isLeft || (ourClass(classes, gateway) && !wanted.has(gatewayKey))) continue
      await deleteObject(this.#options.server, live, { uid: live.metadata.uid, signal: this.#signal })
      this.#live?.delete(key)
      this.#options.log('info', `deleted ${live.kind} ${key.split(' ')[1]}: Gateway ${gatewayKey} needs it no longer`)
    }
  }

  /** Once, until it is over. */
  #tell(severity: 'warning' | 'error', text: string): void {
    if (this.#told.has(text)) return
    this.#told.add(text)
    this.#options.log(severity, text)
  }
}

const FOREIGN = 'a Gateway of ours needs an object of a name that is taken: '

/** By key of the Gateway: what it needs. None for a Gateway whose parameters can't be used: what it has stays as it is. */
function wantedObjects(
  snapshot: Snapshot,
  podTemplate: KeepGatewaysOptions['podTemplate'],
): ReadonlyMap<string, readonly MadeObject[]> {
  const wanted = new Map<string, readonly MadeObject[]>()
  const classes = snapshot.all('gateway.networking.k8s.io/GatewayClass')
  for (const [key, gateway] of snapshot.all('gateway.networking.k8s.io/Gateway')) {
    const gatewayClass = ourClass(classes, gateway)
    if (!gatewayClass || gateway.metadata.deletionTimestamp) continue
    // Nothing can be made in a namespace that goes, and all goes with it.
    if (snapshot.get('core/Namespace', gateway.metadata.namespace ?? '')?.metadata.deletionTimestamp) continue
    const parameters = gatewayParameters(gateway, gatewayClass, snapshot.all('core/ConfigMap'))
    if ('problem' in parameters) continue
    const api = apiGateway(snapshot, key) as ApiGateway
    wanted.set(key, gatewayObjects(api, parameters, podTemplate).map(stamped))
  }
  return wanted
}

function keyOfObject({
  kind,
  metadata,
}: {
  readonly kind: string
  readonly metadata: { name: string; namespace?: string }
}) {
  return `${kind} ${metadata.namespace}/${metadata.name}`
}

/** Whether it belongs to a Gateway of the same name that was deleted and made again: it is on its way out. */
function isOfFormerGateway(live: LiveObject, object: MadeObject): boolean {
  const [owner] = object.metadata['ownerReferences'] as readonly { readonly uid: string; readonly name: string }[]
  return (live.metadata.ownerReferences ?? []).some(
    ({ kind, name, uid }) => kind === 'Gateway' && name === owner?.name && uid !== owner?.uid,
  )
}

/** Whether both belong to the same Gateway. */
function isOwnedAlike(live: LiveObject, object: MadeObject): boolean {
  const [owner] = object.metadata['ownerReferences'] as readonly { readonly uid: string }[]
  return (live.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner?.uid)
}
