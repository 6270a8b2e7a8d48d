import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import type { Journal } from '../adoption/onboarding/world.ts'
import { analyze } from '../analysis/analyze.ts'
import { requireApprovedCryptography } from '../identity/approved-cryptography.ts'
import { AuditLog } from '../identity/audit-log.ts'
import { caMessages } from '../identity/ca-messages.ts'
import { secretStore } from '../identity/ca-secret.ts'
import { type Log, logToStderr } from '../identity/log.ts'
import { useTrustDomainAliases } from '../identity/own-domains.ts'
import { injectionWebhook } from '../injection/webhook.ts'
import { proxyConfigsOf } from '../mesh/proxy-configs.ts'
import { DEFAULT_TRUST_DOMAIN, useTrustDomain } from '../mesh/trust-domains.ts'
import { CA_SECRET, PORTS } from '../resources/cluster-names.ts'
import type { KindId } from '../resources/kinds.ts'
import { messageText } from '../resources/message.ts'
import { ApiServer, type ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../sources/kubernetes/kubernetes-source.ts'
import { readLive } from '../sources/kubernetes/write.ts'
import { Store } from '../store/store.ts'
import type { ThreadSettings } from '../telemetry/process/messages.ts'
import type { TelemetryThread } from '../telemetry/process/telemetry-thread.ts'
import { withPrometheus } from '../telemetry/prometheus/prometheus-questions.ts'
import { useApprovedAlgorithms } from '../translate/mtls.ts'
import { proxyResources } from '../translate/proxy-resources.ts'
import { proxylessResources } from '../translate/proxyless/proxyless-resources.ts'
import { USUAL_SHARE } from '../translate/reporting/access-log-service.ts'
import { AdsServer } from '../xds/ads-server.ts'
import { nackMessage } from '../xds/nack-message.ts'
import { PushScheduler } from '../xds/push-scheduler.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { authenticateRelayed } from './agent-access.ts'
import { type AlertService, startAlerting } from './alerting.ts'
import { type Api, type ApiView, serveApi } from './api.ts'
import { serveApplications } from './application-port.ts'
import { approvedOnly } from './approved-proxies.ts'
import { auditedRefusals } from './audited-refusals.ts'
import { allProxies } from './console/proxy-views.ts'
import { controlPlaneMetrics } from './control-plane-metrics.ts'
import { giveEvidenceAway } from './evidence-of-ending.ts'
import { Findings } from './findings.ts'
import { serveHealth } from './health.ts'
import { type Installation, serveInstallation } from './installation.ts'
import { lead } from './leading.ts'
import { isLoopback } from './listen-address.ts'
import { providersInCluster } from './oidc-memory.ts'
import { followOidcProviders } from './oidc-providers.ts'
import { carryOnCluster } from './onboarding/of-server.ts'
import { resourceJournal } from './onboarding/resource-journal.ts'
import { ProxiesOfReplicas } from './proxies-of-replicas.ts'
import { podOfNode } from './proxy-identity.ts'
import type { RefusalsOfReplicas } from './refusals-of-replicas.ts'
import { Rejections } from './rejections.ts'
import { resourceSources } from './resource-sources.ts'
import { keysInCluster } from './secret-keys.ts'
import type { RunningServer } from './server.ts'
import { stateMessages } from './state-messages.ts'
import { anotherServes } from './successor.ts'
import { telemetryOfReplicas } from './telemetry-of-replicas.ts'
import { serveTelemetry, takeFromProxies } from './telemetry-of-server.ts'
import { validationWebhook } from './validation-webhook.ts'
import { VERSION } from './version.ts'

export interface ClusterServerOptions {
  readonly cluster: ClusterAccess
  /** `HOST:PORT` for readiness and status. */
  readonly httpAddress: string
  /** `HOST:PORT` on the loopback interface for xDS without TLS, where every proxy is who it says it is: for measurements and trials. */
  readonly insecureXdsAddress?: string
  /** Approved cryptography alone, in this process and in every proxy. */
  readonly fips?: boolean
  /** Absent: it only reads the cluster. */
  readonly installation?: Installation
}

/** The control plane of a cluster. Resolves as soon as it serves its health; it is ready once it knows all of the cluster and serves proxies. */
export async function startClusterServer(
  { cluster, httpAddress, insecureXdsAddress, fips = false, installation }: ClusterServerOptions,
  log: Log = logToStderr,
): Promise<RunningServer> {
  if (insecureXdsAddress !== undefined) {
    refuseUnlessLoopback(insecureXdsAddress)
    if (installation) throw new Error('an installed server asks who calls; leave out --insecure-xds-address')
  }
  if (installation) {
    useTrustDomainAliases(installation.trustDomainAliases)
    useTrustDomain(installation.trustDomain, installation.trustDomainAliases)
  }
  if (fips) {
    requireApprovedCryptography()
    useApprovedAlgorithms()
  }
  const server = new ApiServer(cluster)
  const store = new Store()
  const rejections = new Rejections()
  const source = new KubernetesSource({ server, store, log })
  const audit = auditLog(installation?.telemetryFolder, log)
  const invited = installation && secretStore(server, installation.namespace, CA_SECRET)
  const ads = new AdsServer({
    onRefused: auditedRefusals(audit),
    authenticate: approvedOnly(fips, (caller, node) =>
      installation ? authenticateRelayed(store, installation.trustDomain, caller, node, invited) : podOfNode(node),
    ),
    resources: (proxy) => proxyResources(store.snapshot, proxy),
    proxylessResources: (proxy) => proxylessResources(store.snapshot, proxy),
    onNack: (nack) => {
      rejections.add(nack)
      findings.changed()
      log('error', messageText(nackMessage(nack)))
    },
    onRecovered: (proxy, url, name) => {
      rejections.recovered(proxy, url, name)
      findings.changed()
    },
    onError: (proxy, error) => log('error', `proxy ${proxy}: ${error instanceof Error ? error.stack : String(error)}`),
  })
  const findings = new Findings(
    () => [
      ...analyze(store.snapshot),
      ...rejections.messages(store.snapshot),
      ...(installed && installation ? caMessages(installed.ca, installation.selfMadeRoot, Date.now()) : []),
      ...(installation ? stateMessages(installation.telemetryStays) : []),
    ],
    (messages) => api?.tell({ messages }),
    (error) => log('error', `analysis failed: ${error.stack}`),
  )
  const startedAt = Date.now()
  const closing = new AbortController()
  const lookups = {
    namespaceLabels: (name: string) => namespaceLabels(server, store, name),
    proxyConfigs: (namespace: string, labels: Readonly<Record<string, string>>) =>
      proxyConfigsOf(store.snapshot, namespace, labels),
  }
  let telemetry: TelemetryThread | undefined
  let applications: { close(): Promise<void> } | undefined
  const prometheus = installation?.prometheus
  let leading: Promise<void> | undefined
  let proxiesOfOthers: () => readonly ProxyStatus[] = () => []
  let api: Api | undefined
  let installed: Awaited<ReturnType<typeof serveInstallation>> | undefined
  let waitingFor: string | undefined
  let alerts: AlertService | undefined
  let led:
    | { readonly signal: AbortSignal; readonly refusals: RefusalsOfReplicas; readonly onboardings: Journal }
    | undefined
  let ready = false
  const health = await serveHealth(httpAddress, {
    ready: () => ready,
    waitingFor: () => [...store.unsynced, ...(waitingFor === undefined ? [] : [waitingFor])],
    kubernetes: () => source.status(),
    messages: () => findings.messages,
    proxies: () => ads.status(),
    metrics: () =>
      controlPlaneMetrics({
        proxies: () => ads.status(),
        messages: () => findings.messages,
        counts: ads,
        intake: () => telemetry?.intake(),
        certificates: () => installed?.certificates(),
      }),
  })
  const started = performance.now()
  source.start()
  const serve = async () => {
    const pushes = new PushScheduler(() => ads.changed())
    store.subscribe((now, before) => {
      pushes.changed()
      if (now.changedKinds(before).some((kind) => !UNANALYZED.has(kind))) findings.changed()
    })
    findings.changed()
    if (insecureXdsAddress !== undefined) await ads.listen(ServerCredentials.createInsecure(), insecureXdsAddress)
    if (installation) {
      const memory = providersInCluster(server, installation.namespace)
      await followOidcProviders({ store, memory, log, signal: closing.signal })
      telemetry = serveTelemetry({ store, settings: telemetrySettings(installation), log })
      takeFromProxies(ads.server, telemetry, (caller, node) =>
        authenticateRelayed(store, installation.trustDomain, caller, node, invited),
      )
      const ports = { host: installation.host, grpc: PORTS.serverOtlpGrpc, http: PORTS.serverOtlpHttp }
      applications = await serveApplications(ports, telemetry, log)
      const served = await serveInstallation({
        installation,
        server,
        store,
        ads,
        audit,
        webhooks: (app) => {
          injectionWebhook(app, { settings: () => installation.injection, lookups, log })
          validationWebhook(app, { store, log })
        },
        refusals: () => rejections.shared(store.snapshot),
        telemetry: () => telemetry,
        waiting: (reason) => {
          waitingFor = reason
        },
        signal: closing.signal,
        log,
      })
      installed = served
      findings.changed()
      served.ca.subscribe(() => findings.changed())
      const { namespace, replica, injection } = installation
      const serving = Promise.withResolvers<Api>()
      const parts = {
        server,
        store,
        source,
        ca: served.ca,
        replicas: served.replicas,
        namespace,
        replica,
        injection,
        rejections,
        leads: (signal: AbortSignal, refusals: RefusalsOfReplicas) => {
          const onboardings = resourceJournal(server)
          led = { signal, refusals, onboardings }
          const carried = { label: server.url, store, proxies: () => allProxies(view), log }
          void serving.promise.then((served) =>
            carryOnCluster({ ...carried, api: served }, server, onboardings, signal),
          )
        },
        log,
      }
      leading = lead(parts, closing.signal)
      const others = new ProxiesOfReplicas(parts, closing.signal)
      proxiesOfOthers = () => others.latest()
      const { telemetryFolder } = installation
      const kept = telemetry
      const view = apiView()
      const isLeading = () => led !== undefined && !led.signal.aborted
      alerts = startAlerting({
        store,
        // Anew for each question, as replicas come and go.
        questions: () => view.telemetry?.() ?? kept,
        follow: (listener) => kept.follow(listener),
        ...(telemetryFolder === undefined ? {} : { folder: telemetryFolder }),
        mesh: installation.trustDomain,
        secretKeys: keysInCluster(server),
        proxies: () => allProxies(view),
        refusals: () => (led && isLeading() ? led.refusals.of(store.snapshot) : rejections.byObject(store.snapshot)),
        certificates: view.certificates,
        inventory: view.inventory,
        onboardings: async () => (led && isLeading() ? led.onboardings.list() : undefined),
        tells: isLeading,
        onChange: () => api?.changed('alerts'),
        log,
      })
      const told = await serveApi({ host: '127.0.0.1', port: PORTS.serverApi }, apiView())
      store.subscribe(() => told.changed('objects'))
      api = told
      serving.resolve(told)
    }
    ready = true
    log(
      'info',
      `knows the cluster at ${server.url} after ${Math.round(performance.now() - started)} ms, serving proxies`,
    )
  }
  const apiView = (): ApiView => ({
    status: () => ({
      name: server.url,
      version: VERSION,
      pid: process.pid,
      startedAt,
      trustDomain: installation?.trustDomain ?? DEFAULT_TRUST_DOMAIN,
      objects: [...store.snapshot.resources()].length,
      waitingFor: store.unsynced,
    }),
    snapshot: () => store.snapshot,
    messages: () => findings.messages,
    files: () => [],
    proxies: () => {
      ads.changed()
      return ads.status()
    },
    proxiesOfOthers: () => proxiesOfOthers(),
    sources: (proxy) => resourceSources(proxyResources(store.snapshot, proxy)),
    pods: () => [],
    statuses: () => [],
    onStatuses: () => {},
    certificates: () => installed?.certificates(),
    inventory: () => installed?.inventory() ?? [],
    alerts: () => alerts,
    telemetry: () => {
      if (!telemetry) return undefined
      const ofAll =
        installed && installation
          ? telemetryOfReplicas(telemetry, { store, ...installation, replicas: installed.replicas }, closing.signal)
          : telemetry
      return prometheus === undefined ? ofAll : withPrometheus(prometheus, ofAll)
    },
    audit: () => audit.records(),
    audited: (entry) => audit.record(entry),
    refusals: async (span) => telemetry?.refusals(span),
  })
  store
    .synced()
    .then(serve)
    .catch((error: Error) => {
      if (closing.signal.aborted) return
      // Whoever started it starts it again, and sees why.
      log('error', error.stack ?? error.message)
      process.exitCode = 1
      void close()
    })
  log('info', `reading the cluster at ${server.url}; readiness is told at http://${httpAddress}/ready`)

  const close = async () => {
    closing.abort()
    // Another may lead at once rather than when the lease has run out.
    await leading
    source.close()
    findings.close()
    await api?.close()
    // From here on nothing comes in.
    await ads.stop()
    if (telemetry && installed && installation)
      await giveEvidenceAway(telemetry, { store, ...installation, replicas: installed.replicas, log })
    await installed?.close()
    await alerts?.close()
    await applications?.close()
    await telemetry?.close()
    await health.close()
  }
  const handOver = async () => {
    // A pod that keeps its volume comes again only when this one is gone.
    if (installation && installation.telemetryStays !== 'volume')
      await anotherServes(store, installation.namespace, installation.replica)
    await close()
  }
  return { close, handOver }
}

/** Of a namespace that was made just now, too. */
async function namespaceLabels(
  server: ApiServer,
  store: Store,
  name: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  const known = store.snapshot.get('core/Namespace', name)
  if (known) return known.metadata.labels ?? {}
  const live = await readLive(server, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  return live && (live.metadata.labels ?? {})
}

/** On a cluster logs are gathered anyway: what outlives this pod is there. */
function auditLog(folder: string | undefined, log: Log): AuditLog {
  const tell = (line: string) => log('info', `audit ${line}`)
  if (folder === undefined) return new AuditLog({ tell })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return new AuditLog({ tell, file: join(folder, 'audit.jsonl') })
}

/** What telemetry of a cluster may take on disk, or in memory where there is none, in bytes; and how many series it may have. */
const TELEMETRY_BYTES = { disk: 512 * 1024 * 1024, memory: 64 * 1024 * 1024 }
const TELEMETRY_SERIES = 50_000

function telemetrySettings({ telemetryFolder, receiver }: Installation): ThreadSettings {
  return {
    ...(receiver ? { export: receiver } : {}),
    ...(telemetryFolder === undefined ? {} : { folder: telemetryFolder }),
    limitBytes: TELEMETRY_BYTES[telemetryFolder === undefined ? 'memory' : 'disk'],
    seriesLimit: TELEMETRY_SERIES,
    logsOneOf: 100 / USUAL_SHARE,
    strangers: false,
    // Agents read the metrics of proxies.
    scrapeInterval: 60_000,
  }
}

/** What changes all the time, and nobody wrote: no check reads it. */
const UNANALYZED: ReadonlySet<KindId> = new Set(['discovery.k8s.io/EndpointSlice'])

function refuseUnlessLoopback(address: string): void {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
  if (isLoopback(host)) return
  throw new Error(
    `${address} can be reached by others: insecure xDS is served at loopback addresses only, such as 127.0.0.1:15010`,
  )
}
