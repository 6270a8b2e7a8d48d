import { rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { folderJournal } from '../adoption/onboarding/journal.ts'
import { type MeshFolders, podSocket, runFile } from '../agent/supervise/folders.ts'
import {
  CERTIFICATES_PORT,
  CONSOLE_PORT,
  type MeshSettings,
  OTLP_PORTS,
  XDS_PORT,
} from '../agent/supervise/mesh-settings.ts'
import { lowestPort } from '../agent/supervise/taken-ports.ts'
import { analyze } from '../analysis/analyze.ts'
import { requireApprovedCryptography } from '../identity/approved-cryptography.ts'
import { attestedBy } from '../identity/attestor.ts'
import { AuditLog } from '../identity/audit-log.ts'
import { openCa } from '../identity/ca.ts'
import { caMessages } from '../identity/ca-messages.ts'
import {
  addCertificateService,
  authenticateAgents,
  authorizeByPlacement,
  type CertificateServiceOptions,
} from '../identity/certificate-service.ts'
import { CertificateSync } from '../identity/certificate-sync.ts'
import { followCa } from '../identity/follow-ca.ts'
import { followFederated } from '../identity/follow-federated.ts'
import { hostTokens } from '../identity/hosts.ts'
import { Inventory } from '../identity/inventory.ts'
import { openJoinTokens } from '../identity/join-token.ts'
import { type Log, logToStderr } from '../identity/log.ts'
import { caStore } from '../identity/sealed-store.ts'
import { openServingCertificate } from '../identity/serving-certificate.ts'
import { useTrustDomain } from '../mesh/trust-domains.ts'
import { workloads } from '../mesh/workloads.ts'
import { type Message, messageText } from '../resources/message.ts'
import { watchFiles } from '../sources/files/watch-files.ts'
import { serverAddress } from '../sources/local-cluster/addresses.ts'
import { brokenImageMap, type ImageMap, readImageMap, watchImageMap } from '../sources/local-cluster/image-map.ts'
import { NODE_NAME } from '../sources/local-cluster/pod-plan.ts'
import { Store } from '../store/store.ts'
import { HEADERS_VARIABLE, receiverAt } from '../telemetry/export/receiver.ts'
import { withPrometheus } from '../telemetry/prometheus/prometheus-questions.ts'
import { envoyFilterMessages } from '../translate/envoy-filter/messages.ts'
import { useApprovedAlgorithms } from '../translate/mtls.ts'
import { proxyResources } from '../translate/proxy-resources.ts'
import { proxylessResources } from '../translate/proxyless/proxyless-resources.ts'
import { AdsServer, type AdsServerOptions } from '../xds/ads-server.ts'
import { nackMessage } from '../xds/nack-message.ts'
import { PushScheduler } from '../xds/push-scheduler.ts'
import { authenticateRelayed, isAgentOfHost, withHosts } from './agent-access.ts'
import { startAlerting } from './alerting.ts'
import { serveApi } from './api.ts'
import { serveApplications } from './application-port.ts'
import { approvedOnly } from './approved-proxies.ts'
import { auditedRefusals } from './audited-refusals.ts'
import { denyBlocked } from './blocked-identities.ts'
import { certificateView, inventoryNow } from './certificate-view.ts'
import { certifiedGrant } from './certified-names.ts'
import { consoleKeyIn } from './console/console-key.ts'
import { serveFront } from './console/front.ts'
import { believeFederated } from './federated-domains.ts'
import { Findings } from './findings.ts'
import { addHostMembership } from './host-membership.ts'
import { localMembers } from './local-members.ts'
import { LocalSource } from './local-source.ts'
import { providersInFile } from './oidc-memory.ts'
import { followOidcProviders } from './oidc-providers.ts'
import { carryOnLaptop } from './onboarding/of-server.ts'
import { authenticateProxy, existingPod } from './proxy-identity.ts'
import { Rejections } from './rejections.ts'
import { resourceSources } from './resource-sources.ts'
import { keysInStore } from './secret-keys.ts'
import { serveTelemetry, takeFromProxies } from './telemetry-of-server.ts'
import { usualTelemetry } from './usual-telemetry.ts'
import { VERSION } from './version.ts'

export interface RunningServer {
  close(): Promise<void>
  /** Closes once another server serves, or none will; absent where there is never another. */
  handOver?(): Promise<void>
}

/** What telemetry of a laptop may take on disk, in bytes, and how many series it may have. */
const TELEMETRY_BYTES = 256 * 1024 * 1024
const TELEMETRY_SERIES = 20_000
/** How often proxies are asked for their metrics, in ms: as often as Envoy has new ones. */
const SCRAPE_MS = 5000

/** How often to look whether somebody changed the certificate authority, in ms. */
const FOLLOW_CA_MS = 500

/** The control plane of a local mesh. Resolves when it takes connections; it configures proxies once all sources have delivered. */
export async function startServer(
  folders: MeshFolders,
  settings: MeshSettings,
  log: Log = logToStderr,
): Promise<RunningServer> {
  const startedAt = Date.now()
  useTrustDomain(settings.trustDomain)
  if (settings.fips) {
    requireApprovedCryptography()
    useApprovedAlgorithms()
  }
  const { trustDomain, certificateLifeMs, block } = settings
  const ca = await openCa(caStore(folders.state), { trustDomain, workloadLifeMs: certificateLifeMs, log })
  const serving = await openServingCertificate(ca, { ipAddresses: [serverAddress(block)], log })
  const audit = new AuditLog({ file: join(folders.state, 'audit.jsonl') })
  const sync = new CertificateSync(ca, audit)
  const inventory = new Inventory(join(folders.state, 'certificates.jsonl'))
  const closing = new AbortController()
  followCa(ca, FOLLOW_CA_MS, log, closing.signal)
  followFederated(caStore(folders.state), trustDomain, log, closing.signal)
  const store = new Store()
  denyBlocked(ca, store)
  believeFederated(ca, store)
  const memory = providersInFile(join(folders.state, 'oidc-providers.json'))
  void followOidcProviders({ store, memory, log, signal: closing.signal })
  store.apply([{ put: usualTelemetry(100) }])
  const rejections = new Rejections()

  const told: Pick<AdsServerOptions, 'onRefused' | 'onNack' | 'onRecovered' | 'onError'> = {
    onRefused: auditedRefusals(audit),
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
  }
  const authenticate: AdsServerOptions['authenticate'] = (caller, node) =>
    isAgentOfHost(trustDomain, caller)
      ? authenticateRelayed(store, trustDomain, caller, node, caStore(folders.state))
      : authenticateProxy(store.snapshot, trustDomain, caller, node)
  const ads = new AdsServer({
    authenticate: approvedOnly(settings.fips, authenticate),
    resources: (proxy) => proxyResources(store.snapshot, proxy),
    ...told,
  })
  // For gRPC libraries in the pods' applications. Whoever may open the socket may read all of the mesh's files, too: nothing to prove.
  const proxyless = new AdsServer({
    authenticate: (_, node) => existingPod(store.snapshot, node),
    resources: (proxy) => proxyResources(store.snapshot, proxy),
    proxylessResources: (proxy) => proxylessResources(store.snapshot, proxy),
    ...told,
  })
  const findings = new Findings(
    () => [
      ...analyze(store.snapshot, [...source.messages, ...envoyFilterMessages(store.snapshot)]),
      ...rejections.messages(store.snapshot),
      // A laptop is no production.
      ...caMessages(ca, undefined, Date.now()),
    ],
    (messages) => api.tell({ messages }),
    (error) => log('error', `analysis failed: ${error.stack}`),
  )
  const changed = () => {
    ads.changed()
    proxyless.changed()
  }
  const pushes = new PushScheduler(changed)
  store.subscribe(() => {
    pushes.changed()
    findings.changed()
  })

  const { images, problem } = knownImages(settings.images)
  const source = new LocalSource({
    store,
    block,
    lowestPort: lowestPort(),
    images,
    memoryFile: runFile(folders, 'cluster'),
    onPods: () => api.podsChanged(),
    onEdits: (edits) => api.tell({ edits }),
  })
  const telemetry = serveTelemetry({
    store,
    settings: {
      folder: join(folders.state, 'telemetry'),
      ...(settings.otlpExport === undefined
        ? {}
        : { export: receiverAt(settings.otlpExport, process.env[HEADERS_VARIABLE]) }),
      limitBytes: TELEMETRY_BYTES,
      seriesLimit: TELEMETRY_SERIES,
      logsOneOf: 1,
      strangers: true,
      scrapeInterval: SCRAPE_MS,
    },
    targets: (snapshot) =>
      Array.from(workloads(snapshot).values(), ({ key, address }) => ({
        name: `${key} ${snapshot.get('core/Pod', key)?.metadata.uid ?? ''}`,
        at: { socketPath: podSocket(folders, address, 'admin') },
      })),
    log,
  })
  const questions = settings.prometheus === undefined ? telemetry : withPrometheus(settings.prometheus, telemetry)
  takeFromProxies(ads.server, telemetry, authenticate)
  const journal = settings.adoption === undefined ? undefined : folderJournal(settings.adoption)
  const alerts = startAlerting({
    store,
    questions: () => questions,
    follow: (listener) => questions.follow(listener),
    folder: join(folders.state, 'alerts'),
    mesh: settings.name,
    secretKeys: keysInStore(store),
    proxies: () => {
      changed()
      return [...ads.status(), ...proxyless.status()]
    },
    refusals: () => rejections.byObject(store.snapshot),
    certificates: () => certificateView(ca, serving, sync),
    inventory: () => inventoryNow(inventory, serving, sync),
    onboardings: async () => journal?.list() ?? [],
    tells: () => true,
    onChange: () => api.changed('alerts'),
    log,
  })
  const api = await serveApi(runFile(folders, 'serverSocket'), {
    status: () => ({
      name: settings.name,
      version: VERSION,
      pid: process.pid,
      startedAt,
      trustDomain,
      objects: [...store.snapshot.resources()].length,
      waitingFor: store.unsynced,
    }),
    snapshot: () => store.snapshot,
    messages: () => findings.messages,
    files: () => source.files,
    proxies: () => {
      // Measured by what there is now, not by what a burst of changes has let through so far.
      changed()
      return [...ads.status(), ...proxyless.status()]
    },
    sources: (proxy) => resourceSources(proxyResources(store.snapshot, proxy)),
    pods: () => source.pods,
    statuses: () => source.statuses,
    onStatuses: (statuses) => source.setStatuses(statuses),
    certificates: () => certificateView(ca, serving, sync),
    inventory: () => inventoryNow(inventory, serving, sync),
    telemetry: () => questions,
    adoption: settings.adoption,
    alerts: () => alerts,
    audit: () => audit.records(),
    audited: (entry) => audit.record(entry),
    refusals: (span) => telemetry.refusals(span),
  })
  store.subscribe(() => api.changed('objects'))
  const front = await serveFront({
    host: serverAddress(block),
    port: CONSOLE_PORT,
    key: consoleKeyIn(runFile(folders, 'consoleKey')),
    connect: () => connect(runFile(folders, 'serverSocket')),
  })
  if (problem) source.setImages(problem)
  const endImages = watchImageMap(settings.images, (images) => {
    source.setImages(images)
    findings.changed()
  })
  const { paths, recursive } = settings
  const endWatch = watchFiles({ paths, recursive, memory: runFile(folders, 'files') }, (content) => {
    source.setContent(content)
    findings.changed()
  })

  const certificates = new Server()
  const signing: CertificateServiceOptions = {
    ca,
    audit,
    log,
    issued: (record) => inventory.issued(record),
    authenticate: authenticateAgents(
      ca,
      attestedBy(openJoinTokens(join(folders.state, 'join-tokens')), hostTokens(caStore(folders.state))),
    ),
    authorize: authorizeByPlacement(
      trustDomain,
      withHosts(caStore(folders.state), (node, workload) => {
        for (const pod of store.snapshot.all('core/Pod').values()) {
          const { namespace } = pod.metadata
          const { nodeName, serviceAccountName = 'default' } = pod.spec ?? {}
          if (nodeName !== node || namespace !== workload.namespace) continue
          if (serviceAccountName === workload.serviceAccount) return certifiedGrant(ca, store.snapshot, workload)
        }
        return undefined
      }),
    ),
  }
  const members = localMembers(store, join(folders.state, 'hosts.json'))
  // Agents of hosts outside of the mesh's machine have it all at one port, as on a cluster.
  for (const each of [certificates, ads.server]) {
    addCertificateService(each, signing)
    sync.addTo(each)
  }
  addHostMembership(ads.server, { store, ca: caStore(folders.state), trustDomain, registry: members, audit })

  const { grpc, http } = OTLP_PORTS
  const applications = await serveApplications({ host: serverAddress(block), grpc, http }, telemetry, log)
  await store.synced()
  await bind(certificates, `${serverAddress(block)}:${CERTIFICATES_PORT}`, serving.credentials('optional'))
  // Who shows nothing that counts is let in to be refused by `authenticateProxy`, and remembered.
  await ads.listen(serving.credentials('optional'), `${serverAddress(block)}:${XDS_PORT}`)
  const grpcSocket = runFile(folders, 'grpcSocket')
  rmSync(grpcSocket, { force: true })
  await proxyless.listen(ServerCredentials.createInsecure(), `unix:${grpcSocket}`)
  log('info', `serving ${NODE_NAME} from ${serverAddress(block)}`)
  const followed = paths.map((path) => resolve(settings.folder, path))
  const folder = followed.findLast((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory())
  const carried =
    settings.adoption === undefined || folder === undefined
      ? Promise.resolve()
      : carryOnLaptop(
          { label: `mesh "${settings.name}"`, store, api, proxies: () => ads.status(), log },
          settings.adoption,
          folder,
          closing.signal,
        )

  return {
    async close() {
      closing.abort()
      await carried
      members.close()
      endWatch()
      endImages()
      findings.close()
      await front.close()
      await api.close()
      await ads.stop()
      await proxyless.stop()
      await alerts.close()
      await applications.close()
      await telemetry.close()
      certificates.forceShutdown()
      serving.close()
      audit.close()
    },
  }
}

/** The image map; where it was broken while the server was away, nothing new can be started until it is mended. */
function knownImages(file: string): { images: ImageMap; problem: Message | undefined } {
  try {
    return { images: readImageMap(file), problem: undefined }
  } catch (error) {
    return { images: new Map(), problem: brokenImageMap(file, error as Error) }
  }
}

function bind(server: Server, address: string, credentials: Parameters<Server['bindAsync']>[1]): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)))
  })
}
