import type { Server } from '@grpc/grpc-js'
import type { Node } from '#envoy/config/core/v3/base'
import type { Log } from '../identity/log.ts'
import type { Workload } from '../mesh/model.ts'
import { workloadName } from '../mesh/pod-owner.ts'
import { workloadNames } from '../mesh/workload-names.ts'
import { workloads } from '../mesh/workloads.ts'
import type { Pod } from '../resources/core.ts'
import { deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Store } from '../store/store.ts'
import { addIntakeServices, type IntakeAccess } from '../telemetry/intake/grpc-services.ts'
import type { ScrapeTarget } from '../telemetry/intake/scraper.ts'
import type { PodAddresses } from '../telemetry/intake/workload-addresses.ts'
import type { ThreadSettings } from '../telemetry/process/messages.ts'
import { TelemetryThread } from '../telemetry/process/telemetry-thread.ts'
import type { Caller, Refusal } from '../xds/ads-server.ts'
import { changesBetween } from './change-history.ts'

export interface TelemetryParts {
  readonly store: Store
  readonly settings: ThreadSettings
  /** Proxies whose metrics this server reads itself; none where agents do. */
  readonly targets?: (snapshot: Snapshot) => readonly ScrapeTarget[]
  readonly log: Log
}

/** How long after a change telemetry is told of pods, in ms: changes come in bursts. */
const QUIET_MS = 300

/** Telemetry of a server: told of pods and of what people change. */
export function serveTelemetry({ store, settings, targets, log }: TelemetryParts): TelemetryThread {
  const thread = new TelemetryThread(settings, log)
  let isWaiting = false
  let told: unknown
  const tell = () => {
    isWaiting = false
    const { snapshot } = store
    const pods = addresses(snapshot)
    if (pods === told) return
    told = pods
    thread.setPods([...pods.values()])
    if (targets) thread.setTargets(targets(snapshot))
  }
  // What is read at the start is no change.
  let isRead = false
  void store.synced().then(() => {
    isRead = true
    tell()
  })
  store.subscribe((now, before) => {
    if (!isRead) return
    if (!isWaiting) setTimeout(tell, QUIET_MS).unref()
    isWaiting = true
    const changes = changesBetween(before, now, Date.now())
    if (changes.length > 0) thread.changed(changes)
  })
  return thread
}

/** Has proxies send what they log and trace to a gRPC server that knows them by their certificates. */
export function takeFromProxies(
  server: Server,
  thread: TelemetryThread,
  authenticate: (caller: Caller, node: Node | undefined) => string | Refusal | Promise<string | Refusal>,
): void {
  const callerOf: (call: Parameters<IntakeAccess['proxyOf']>[0]) => Caller = (call) => {
    const certificate = call.getAuthContext().sslPeerCertificate?.raw
    return { address: call.getPeer(), metadata: call.metadata, ...(certificate ? { certificate } : {}) }
  }
  addIntakeServices(server, thread, {
    async proxyOf(call, node) {
      const pod = await authenticate(callerOf(call), node)
      if (typeof pod !== 'string') throw new Error(pod.refused)
      return pod
    },
    allowed(call) {
      if (!callerOf(call).certificate) throw new Error('show a certificate of the mesh')
    },
  })
}

function addresses(snapshot: Snapshot): PersistentMap<PodAddresses> {
  return addressesOf([snapshot.all('core/Pod'), workloads(snapshot)])
}

const addressesOf = deriveMap<[PersistentMap<Pod>, ReturnType<typeof workloads>], [], PodAddresses>(
  'server/addresses',
  (key, [pod, workload]) => {
    if (workload?.isHost) return addressesOfHost(workload)
    const { status, metadata, spec } = pod ?? {}
    if (!metadata || !status?.podIP) return undefined
    const names = workloadNames(metadata.labels ?? {}, workloadName({ metadata }))
    const application = workload?.capture.mode === 'listeners' ? [workload.capture.appAddress] : []
    return {
      pod: key,
      namespace: metadata.namespace ?? '',
      serviceAccount: spec?.serviceAccountName ?? 'default',
      workload: names.workload,
      app: names.app,
      version: names.version,
      inMesh: workload !== undefined,
      addresses: [...new Set([status.podIP, ...(status.podIPs ?? []).map(({ ip }) => ip), ...application])],
    }
  },
)

function addressesOfHost({ key, namespace, serviceAccount, labels, name, address, capture }: Workload): PodAddresses {
  const { workload, app, version } = workloadNames(labels, name)
  const application = capture.mode === 'listeners' ? [capture.appAddress] : []
  return {
    pod: key,
    namespace,
    serviceAccount,
    workload,
    app,
    version,
    inMesh: true,
    addresses: [address, ...application],
  }
}
