import { setTimeout as after } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { clusterRegistry } from '../agent/workload-group/cluster-registry.ts'
import { attestedBy } from '../identity/attestor.ts'
import type { AuditLog } from '../identity/audit-log.ts'
import { type CertificateAuthority, openCa } from '../identity/ca.ts'
import { secretStore } from '../identity/ca-secret.ts'
import { addCertificateService, authenticateAgents, authorizeByPlacement } from '../identity/certificate-service.ts'
import { CertificateSync } from '../identity/certificate-sync.ts'
import { followCa } from '../identity/follow-ca.ts'
import { followFederated } from '../identity/follow-federated.ts'
import { hostTokens } from '../identity/hosts.ts'
import { Inventory, type InventoryRecord } from '../identity/inventory.ts'
import type { Log } from '../identity/log.ts'
import { retryDelay } from '../identity/renewal.ts'
import { openServingCertificate } from '../identity/serving-certificate.ts'
import { spiffeBundle } from '../identity/spiffe-bundle.ts'
import type { InjectionSettings } from '../injection/settings.ts'
import { CA_SECRET, PORTS, SERVER_NAME } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import type { Store } from '../store/store.ts'
import type { Receiver } from '../telemetry/export/receiver.ts'
import type { OwnQuestions } from '../telemetry/questions/questions.ts'
import type { Handing } from '../telemetry/replicas/handing-over.ts'
import type { AdsServer } from '../xds/ads-server.ts'
import { agentTokens, placementOf, withHosts } from './agent-access.ts'
import { denyBlocked } from './blocked-identities.ts'
import { type CertificateView, certificateView, inventoryNow } from './certificate-view.ts'
import { certifiedGrant } from './certified-names.ts'
import { takeEvidence } from './evidence-of-ending.ts'
import { believeFederated } from './federated-domains.ts'
import { addHostMembership } from './host-membership.ts'
import { PROXIES_PATH } from './proxies-of-replicas.ts'
import { REFUSALS_PATH } from './refusals-of-replicas.ts'
import type { SharedRefusal } from './rejections.ts'
import { answerReplicas, ReplicaCalls } from './replica-calls.ts'
import type { TelemetryStays } from './state-messages.ts'
import { answerAboutTelemetry } from './telemetry-of-replicas.ts'
import { serveWebhooks } from './webhook-port.ts'

/** Where, and as what, Weft is installed in a cluster. */
export interface Installation {
  readonly namespace: string
  readonly trustDomain: string
  /** Other names of it, while it gets another. */
  readonly trustDomainAliases: readonly string[]
  /** Which of the replicas this is: the name of its pod. */
  readonly replica: string
  /** Address to listen at for agents and webhooks. */
  readonly host: string
  /** How grave it is when Weft made the root by itself. */
  readonly selfMadeRoot: 'info' | 'warning'
  /** Where telemetry is kept; in memory if absent. */
  readonly telemetryFolder?: string
  /** As long as what it stays there. */
  readonly telemetryStays: TelemetryStays
  /** URL of a Prometheus that is asked for numbers in its place. */
  readonly prometheus?: string
  /** Gets all telemetry, too. */
  readonly receiver?: Receiver
  /** What pods and gateways get. */
  readonly injection: InjectionSettings
}

export interface InstallationParts {
  readonly installation: Installation
  readonly server: ApiServer
  readonly store: Store
  readonly ads: AdsServer
  readonly audit: AuditLog
  /** Adds the admission webhooks. */
  readonly webhooks: (app: FastifyInstance) => void
  /** What proxies of this replica refuse, for the others to be told. */
  readonly refusals: () => readonly SharedRefusal[]
  /** What this replica keeps, for the others to be told. */
  readonly telemetry: () => (OwnQuestions & Handing) | undefined
  /** Told why it has to wait, and undefined when it no longer does. */
  readonly waiting: (reason: string | undefined) => void
  readonly signal: AbortSignal
  readonly log: Log
}

/** How often to look whether somebody changed the certificate authority, in ms. */
const FOLLOW_CA_MS = 5000

/** Serves agents and the API server, with a certificate authority that all replicas share. Resolves when both ports listen. */
export async function serveInstallation(parts: InstallationParts): Promise<{
  ca: CertificateAuthority
  certificates(): CertificateView
  inventory(): readonly InventoryRecord[]
  readonly replicas: ReplicaCalls
  close(): Promise<void>
}> {
  const { installation, server, store, ads, audit, webhooks, refusals, log } = parts
  const { namespace, trustDomain, host } = installation
  const caStore = secretStore(server, namespace, CA_SECRET)
  const ca = await openSharedCa(parts)
  const service = `${SERVER_NAME}.${namespace}`
  const dnsNames = [SERVER_NAME, service, `${service}.svc`, `${service}.svc.cluster.local`, 'localhost']
  const serving = await openServingCertificate(ca, { dnsNames, log })
  if (ca.selfMade)
    log(installation.selfMadeRoot, 'the root was made by Weft, which is not for production: see weft ca status')
  const sync = new CertificateSync(ca, audit)
  denyBlocked(ca, store)
  believeFederated(ca, store)
  const inventory = new Inventory()
  followCa(ca, FOLLOW_CA_MS, log, parts.signal)
  followFederated(caStore, trustDomain, log, parts.signal)
  sync.addTo(ads.server)
  addCertificateService(ads.server, {
    ca,
    audit,
    log,
    issued: (record) => inventory.issued(record),
    authenticate: authenticateAgents(ca, attestedBy(agentTokens(server, namespace), hostTokens(caStore))),
    authorize: authorizeByPlacement(
      trustDomain,
      withHosts(
        caStore,
        placementOf(store, (identity) => certifiedGrant(ca, store.snapshot, identity)),
      ),
    ),
  })
  addHostMembership(ads.server, { store, ca: caStore, trustDomain, registry: clusterRegistry(server), audit })
  const https = await serveWebhooks({ host, port: PORTS.serverWebhooks }, ca, serving, (app) => {
    webhooks(app)
    answerReplicas(app, REFUSALS_PATH, trustDomain, refusals)
    answerReplicas(app, PROXIES_PATH, trustDomain, () => ads.status())
    answerAboutTelemetry(app, trustDomain, parts.telemetry)
    // Who ends as well has nobody to keep it for.
    takeEvidence(app, trustDomain, () => (parts.signal.aborted ? undefined : parts.telemetry()))
    // Where other trust domains look whom this one vouches for: profile https_spiffe, as the server.
    app.get('/spiffe-bundle', () => spiffeBundle(ca.trustBundlePem))
  })
  await ads.listen(serving.credentials('optional'), `${host.includes(':') ? `[${host}]` : host}:${PORTS.serverAgents}`)
  const replicas = new ReplicaCalls(ca, serving, `${service}.svc`)
  return {
    ca,
    replicas,
    certificates: () => certificateView(ca, serving, sync),
    inventory: () => inventoryNow(inventory, serving, sync),
    async close() {
      replicas.close()
      serving.close()
      audit.close()
      await https.close()
    },
  }
}

/** As long as the API server is away, or does not let us, it is tried again. */
async function openSharedCa({
  installation,
  server,
  waiting,
  signal,
  log,
}: InstallationParts): Promise<CertificateAuthority> {
  const { namespace, trustDomain } = installation
  for (let failures = 1; ; failures++) {
    try {
      const ca = await openCa(secretStore(server, namespace, CA_SECRET), { trustDomain, log })
      waiting(undefined)
      return ca
    } catch (error) {
      signal.throwIfAborted()
      const reason = `the certificate authority in Secret ${namespace}/${CA_SECRET}: ${(error as Error).message}`
      if (failures === 1) log('error', `waiting for ${reason}`)
      waiting(reason)
      await after(retryDelay(failures, Math.random), undefined, { signal })
    }
  }
}
