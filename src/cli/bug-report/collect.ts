import { stringify } from 'yaml'
import { podsWithProxy } from '../../install/proxies.ts'
import { INJECTOR_WEBHOOK, ROOT_CERT_CONFIG_MAP, VALIDATOR_WEBHOOK } from '../../resources/cluster-names.ts'
import { VERSION } from '../../server/version.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { collectionPath, INSTALLED, servedVersions } from '../../sources/kubernetes/served-kinds.ts'
import { type LiveObject, listLive, readLive } from '../../sources/kubernetes/write.ts'
import { ClusterMesh } from '../cluster-mesh.ts'
import { connectedProxies } from '../connected-proxies.ts'
import type { Entry } from './archive.ts'
import { withoutSecrets } from './without-secrets.ts'

/** How long for the answer to one question, in ms. */
const TIMEOUT_MS = 30_000
/** Of a log. */
const LOG_LINES = 5000

/**
 * Everything that helps to find out what is wrong. What can't be had is told in `not-collected.txt`, and keeps nothing else away.
 * @param namespace of Weft
 * @param proxies how many Envoys to ask
 */
export async function collect(server: ApiServer, namespace: string, proxies: number): Promise<readonly Entry[]> {
  const report = new Report()
  await report.add('versions.yaml', async () => ({
    weft: VERSION,
    node: process.versions.node,
    cluster: await server.send({ method: 'GET', path: '/version' }),
  }))
  await report.add('nodes.yaml', () => listLive(server, { apiVersion: 'v1', kind: 'Node' }))
  await report.add('namespaces.yaml', () => listLive(server, { apiVersion: 'v1', kind: 'Namespace' }))
  for (const [apiVersion, kind] of INSTALLATION)
    await report.add(`installation/${kind}.yaml`, () => listLive(server, { apiVersion, kind, namespace }))
  for (const [apiVersion, kind, name] of OF_CLUSTER)
    await report.add(`installation/${name}.yaml`, () => readLive(server, { apiVersion, kind, metadata: { name } }))
  await report.add('root-certificates.yaml', async () => {
    const fieldSelector = `metadata.name=${ROOT_CERT_CONFIG_MAP}`
    const all = await listLive(server, { apiVersion: 'v1', kind: 'ConfigMap' }, { fieldSelector })
    return all.map(({ metadata }) => metadata.namespace)
  })
  await logs(server, namespace, report)
  await configuration(server, report)
  await running(server, report, proxies)
  return report.entries
}

/** Of its own namespace. No Secrets. */
const INSTALLATION = [
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['v1', 'PersistentVolumeClaim'],
  ['v1', 'Pod'],
  ['v1', 'Service'],
  ['v1', 'Event'],
  ['coordination.k8s.io/v1', 'Lease'],
] as const

const OF_CLUSTER = [
  ['admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', INJECTOR_WEBHOOK],
  ['admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', VALIDATOR_WEBHOOK],
] as const

class Report {
  readonly entries: Entry[] = []
  readonly #failed: string[] = []

  /** A file with what `ask` gives: text as it is, anything else as YAML, and nothing where there is nothing. */
  async add(name: string, ask: () => Promise<unknown>): Promise<void> {
    try {
      const found = await ask()
      if (found === undefined || found === '') return
      const text =
        typeof found === 'string' ? found : stringify(withoutSecrets(found), { aliasDuplicateObjects: false })
      this.#put({ name, text })
    } catch (error) {
      this.#failed.push(`${name}: ${(error as Error).message}`)
      const first = this.entries.findIndex((entry) => entry.name === FAILED)
      const entry = { name: FAILED, text: `${this.#failed.join('\n')}\n` }
      if (first < 0) this.#put(entry)
      else this.entries[first] = entry
    }
  }

  #put(entry: Entry): void {
    this.entries.push(entry)
  }
}

const FAILED = 'not-collected.txt'

async function logs(server: ApiServer, namespace: string, report: Report): Promise<void> {
  const labelSelector = 'app.kubernetes.io/part-of=weft'
  const pods = await listLive(server, { apiVersion: 'v1', kind: 'Pod', namespace }, { labelSelector }).catch(() => [])
  for (const pod of pods) await logsOf(server, pod, report)
}

interface PodStatus {
  readonly containerStatuses?: readonly { readonly name: string; readonly restartCount: number }[]
  readonly initContainerStatuses?: readonly { readonly name: string; readonly restartCount: number }[]
}

/** Of all containers, or of one; and of those before, where it was started again. */
async function logsOf(server: ApiServer, pod: LiveObject, report: Report, only?: string): Promise<void> {
  const { namespace = '', name } = pod.metadata
  const { containerStatuses = [], initContainerStatuses = [] } = (pod['status'] ?? {}) as PodStatus
  for (const { name: container, restartCount } of [...initContainerStatuses, ...containerStatuses]) {
    if (only !== undefined && container !== only) continue
    const log = (previous: boolean) => {
      const query = new URLSearchParams({ container, tailLines: String(LOG_LINES), previous: String(previous) })
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/log?${query}`
      return server.text(path, AbortSignal.timeout(TIMEOUT_MS))
    }
    await report.add(`logs/${namespace}/${name}/${container}.log`, () => log(false))
    if (restartCount > 0) await report.add(`logs/${namespace}/${name}/${container}.previous.log`, () => log(true))
  }
}

/** What people wrote: Istio's and Gateway API's kinds. */
async function configuration(server: ApiServer, report: Report): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const served = await servedVersions(server, signal).catch(() => undefined)
  for (const kind of INSTALLED.values()) {
    const version = served?.get(kind.id)
    if (version === undefined) continue
    await report.add(`configuration/${kind.plural}.${kind.group}.yaml`, async () => {
      const { items } = (await server.get(collectionPath(kind, version), signal)) as {
        readonly items: readonly unknown[]
      }
      return items.length > 0 ? items : undefined
    })
  }
}

/** What servers and proxies say of themselves. */
async function running(server: ApiServer, report: Report, proxies: number): Promise<void> {
  const mesh = new ClusterMesh(server)
  for (const path of ['status', 'messages', 'proxies'])
    await report.add(`servers/${path}.yaml`, () => mesh.getAll(path))
  const pods = await podsWithProxy(server).catch(() => [])
  await report.add('pods-with-proxies.yaml', async () => pods.map(({ metadata, status }) => ({ ...metadata, status })))
  const synced = await connectedProxies(mesh).then(
    (all) =>
      new Set(all.filter(({ types }) => types.every(({ state }) => state === 'synced')).map(({ proxy }) => proxy)),
    () => new Set<string>(),
  )
  const keyed = pods.map((pod) => ({ pod, key: `${pod.metadata.namespace}/${pod.metadata.name}` }))
  const worstFirst = keyed.sort((a, b) => Number(synced.has(a.key)) - Number(synced.has(b.key)))
  for (const { pod, key } of worstFirst.slice(0, proxies)) {
    for (const [name, path] of ENVOY_PAGES) await report.add(`proxies/${key}/${name}`, () => mesh.askEnvoy(key, path))
    await logsOf(server, pod, report, 'weft-proxy')
  }
}

/** Envoy itself leaves private keys out of its dump. */
const ENVOY_PAGES = [
  ['config_dump.json', '/config_dump?include_eds'],
  ['clusters.txt', '/clusters'],
  ['stats.txt', '/stats?usedonly'],
  ['server_info.json', '/server_info'],
] as const
