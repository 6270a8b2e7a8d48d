import { setTimeout as after } from 'node:timers/promises'
import { GATEWAY_CLASS_LABEL, GATEWAY_CONTROLLER } from '../mesh/routing/gateway-names.ts'
import { ROOT_CERT_CONFIG_MAP } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { deleteObject, type LiveObject, listLive, readLive } from '../sources/kubernetes/write.ts'
import { ownDefinitions } from './definitions.ts'
import { existingInstallation } from './existing.ts'
import { orNone, ownedObjects } from './owned.ts'
import { podsWithProxy } from './proxies.ts'
import { MANAGED_BY } from './settings.ts'

/** What would be removed, and what that means for others. */
export interface Removal {
  readonly namespace: string
  /** The namespace itself, where `weft install` made it. */
  readonly home: LiveObject | undefined
  /** Objects that `weft install` made, in the order in which they go. */
  readonly objects: readonly LiveObject[]
  /** Root certificates that the server has put into namespaces. */
  readonly rootCertificates: readonly LiveObject[]
  /** Definitions of kinds that `weft install` made: with them go all objects of these kinds. */
  readonly definitions: readonly LiveObject[]
  /** `namespace/name` of pods that have a proxy, but for those that were made for Gateways. */
  readonly proxies: readonly string[]
  /** What the server has made for Gateways of Gateway API. */
  readonly gateways: readonly LiveObject[]
}

/** Looks what there is to remove. @throws Error where it is not ours to remove; ApiError */
export async function removal(server: ApiServer, namespace: string): Promise<Removal> {
  const there = await existingInstallation(server)
  if (there?.managedBy === 'Helm')
    throw new Error(`the installation in ${there.namespace} was made by Helm; remove it with helm uninstall`)
  if (there && there.namespace !== namespace)
    throw new Error(`Weft is not in ${namespace}, but in ${there.namespace}; add -n ${there.namespace}`)
  const [home, objects, configMaps, definitions, pods, gateways] = await Promise.all([
    readLive(server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }),
    ownedObjects(server, namespace),
    listLive(
      server,
      { apiVersion: 'v1', kind: 'ConfigMap' },
      { fieldSelector: `metadata.name=${ROOT_CERT_CONFIG_MAP}` },
    ),
    ownDefinitions(server),
    podsWithProxy(server),
    gatewayObjects(server),
  ])
  const proxies = pods
    .filter(({ metadata }) => metadata.labels?.[GATEWAY_CLASS_LABEL] === undefined)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  const isOwn = home?.metadata.labels?.['app.kubernetes.io/managed-by'] === MANAGED_BY
  return {
    namespace,
    home: isOwn ? home : undefined,
    objects,
    rootCertificates: configMaps,
    definitions,
    proxies,
    gateways,
  }
}

/** Kinds that a Gateway of Gateway API gets. */
const GATEWAY_KINDS = [
  ['apps/v1', 'Deployment'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler'],
  ['policy/v1', 'PodDisruptionBudget'],
  ['v1', 'Service'],
  ['v1', 'ServiceAccount'],
] as const

async function gatewayObjects(server: ApiServer): Promise<readonly LiveObject[]> {
  const classes = await listLive(server, { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass' }).catch(
    orNone,
  )
  const ours = classes.flatMap(({ metadata, spec }) => (isOurs(spec) ? [metadata.name] : []))
  // Our own class goes with an installation, whose Gateways' pods stay: they are still found later.
  const others = classes.map(({ metadata }) => metadata.name).filter((name) => !ours.includes(name))
  const names = others.includes(OWN_CLASS) ? ours : [...new Set([...ours, OWN_CLASS])]
  if (names.length === 0) return []
  const labelSelector = `${GATEWAY_CLASS_LABEL} in (${names.join(',')})`
  const lists = await Promise.all(
    GATEWAY_KINDS.map(([apiVersion, kind]) => listLive(server, { apiVersion, kind }, { labelSelector })),
  )
  return lists.flat()
}

/** The name of the class in `installation.ts`. */
const OWN_CLASS = 'weft'

function isOurs(spec: unknown): boolean {
  return (spec as { readonly controllerName?: string } | undefined)?.controllerName === GATEWAY_CONTROLLER
}

export interface UninstallProgress {
  readonly step: (what: string, removed: number) => void
}

/**
 * Removes an installation. Pods keep their proxies, and these what they have; Gateways' pods go on as well.
 * @param purge also definitions of kinds with all configuration, and what Gateways have got
 */
export async function uninstall(
  server: ApiServer,
  { namespace, home, objects, rootCertificates, definitions, gateways }: Removal,
  { purge, timeoutMs, progress }: { purge: boolean; timeoutMs: number; progress: UninstallProgress },
): Promise<void> {
  const remove = async (what: string, list: readonly LiveObject[]) => {
    let removed = 0
    for (const object of list) if (await deleteObject(server, object)) removed++
    progress.step(what, removed)
  }
  // The webhooks are first among them, so that pods are made all the time; the server ends before what it would write anew.
  await remove('webhooks, server, agents and access', objects)
  await gone(server, namespace, timeoutMs)
  if (purge) await remove('what Gateways were given', gateways)
  await remove('root certificates in namespaces', rootCertificates)
  if (home) await remove(`namespace ${namespace}`, [home])
  if (purge) {
    await remove('definitions of kinds', definitions)
    // Each goes after all objects of its kind.
    await until(timeoutMs, 'definitions of kinds are not gone', async () => (await ownDefinitions(server)).length === 0)
  }
  if (home) await until(timeoutMs, `namespace ${namespace} is not gone`, async () => !(await readLive(server, home)))
}

/** Until no server runs that would make things again. */
async function gone(server: ApiServer, namespace: string, timeoutMs: number): Promise<void> {
  const labelSelector = 'app.kubernetes.io/part-of=weft'
  await until(timeoutMs, `pods in ${namespace} are not gone`, async () => {
    const pods = await listLive(server, { apiVersion: 'v1', kind: 'Pod', namespace }, { labelSelector })
    return pods.length === 0
  })
}

const LOOK_MS = 300

async function until(timeoutMs: number, problem: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > end)
      throw new Error(`${problem} after ${Math.round(timeoutMs / 1000)} s; run weft uninstall again to go on`)
    await after(LOOK_MS)
  }
}
