import { chownSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { ServerCredentials, status } from '@grpc/grpc-js'
import { AuditLog } from '../../identity/audit-log.ts'
import { systemClock } from '../../identity/clock.ts'
import { hostNode } from '../../identity/hosts.ts'
import { type Log, logToStderr } from '../../identity/log.ts'
import { ensurePrivateFolder } from '../../identity/private-files.ts'
import { retryDelay } from '../../identity/renewal.ts'
import { workloadNames } from '../../mesh/workload-names.ts'
import { hostBootstrap } from '../../translate/host-bootstrap.ts'
import { ownNames } from '../../translate/metrics/own-names.ts'
import { tracedAs } from '../../translate/reporting/traced-as.ts'
import { Certificates } from '../certificates.ts'
import { NodeIdentity } from '../certificates-node.ts'
import type { NodeParts } from '../node/node-agent.ts'
import type { Call } from '../node/pod-caller.ts'
import { ADS_METHODS, Relay } from '../node/relay.ts'
import { Refused } from '../node/relayed-stream.ts'
import { SdsServer } from '../sds.ts'
import { prepareSocket } from '../sds-socket.ts'
import type { ServerLocation } from '../server-connection.ts'
import { SyncWithServer } from '../sync-with-server.ts'
import type { HostCapture, HostPlace } from '../workload-group/host-membership.ts'
import { runMembership } from '../workload-group/membership.ts'
import { CAPTURED_PROXY, captureHost, releaseHost } from './host-capture.ts'
import { HostProxy } from './host-proxy.ts'
import { keptIdentity } from './kept-identity.ts'
import { sendAsHost } from './send-as-host.ts'

export interface HostAgentOptions {
  /** What `weft token create` called the host. */
  readonly host: string
  readonly server: ServerLocation
  /** Asked for only where there is no identity from an agent before this one. @throws Error where there is none */
  readonly joinToken: () => Promise<string>
  /** By which others reach the host. */
  readonly address: string
  readonly capture: HostCapture
  /** For sockets, the agent's own identity and the proxy's log; best in memory, as under /run. */
  readonly folder: string
  /** Path of Envoy. */
  readonly envoy: string
  /** Gathers the telemetry of the proxy. Returns the call that ends it. */
  readonly gather?: (node: NodeParts) => () => void
  readonly log?: Log
}

/** Any time will do, in ms. */
const STAY_MS = 60_000

/** By the end of this time its clients have let go of a host that is registered no more, in ms. */
const LET_GO_MS = 1000

/**
 * The agent of a host outside of clusters, until `signal` ends it: joins, has the host registered as a member of its WorkloadGroup for as long as its application is well, and runs
 * its proxy. When it is killed the proxy goes on, and the next agent goes on with that. Resolves when nothing of it is left.
 * @throws Error where it cannot begin
 */
export async function runHostAgent(options: HostAgentOptions, signal: AbortSignal): Promise<void> {
  const { host, server, joinToken, address, capture, folder, log = logToStderr } = options
  // The proxy of a captured host, another user, has to get there.
  mkdirSync(dirname(folder), { recursive: true, mode: 0o711 })
  ensurePrivateFolder(folder)
  const isCaptured = capture.mode === 'redirect'
  const kept = keptIdentity(folder)
  if (!kept)
    log(
      'warning',
      `${folder} is not in memory: when this agent is ended otherwise than by SIGTERM, it needs a new token`,
    )
  const identity = new NodeIdentity({
    node: hostNode(host),
    server,
    joinToken,
    ...(kept && { kept }),
    log,
  })
  // Waits for its server, however long: by then nothing else might keep the process going.
  const staying = setInterval(() => {}, STAY_MS)
  const ends: (() => unknown)[] = [() => clearInterval(staying), () => identity.close()]
  try {
    await unless(signal, identity.joined())
    log('info', `host ${host} has joined`)
    const place = await placeOf(identity, { join: { address, capture } }, signal, log)
    const certificates = new Certificates({ sign: (csrPem, spiffeId) => identity.sign(csrPem, spiffeId), log })
    ends.push(() => certificates.close())
    const parts = await serveProxy(options, place, identity, certificates, log)
    ends.push(parts.close)
    if (isCaptured) {
      if (process.getuid?.() === 0) ownedByProxy(folder, parts.sockets)
      await captureHost(place.group.spec?.metadata?.annotations ?? {})
      ends.push(releaseHost)
    }
    const proxy = proxyOf(options, place, parts, log)
    await proxy.start()
    ends.push(async () => {
      await after(LET_GO_MS)
      await proxy.stop()
    })
    const send = (message: Parameters<typeof sendAsHost>[1]) => sendAsHost(identity, message)
    const registry = {
      put: async () => void (await send({ join: { address, capture } })),
      tell: async (_: unknown, health: Parameters<typeof tellOf>[2]) => {
        // A host whose proxy does not listen yet is not well, whatever its application says.
        await proxy.ready(signal)
        await send(tellOf(address, capture, health))
      },
      remove: async () => {
        await send({ leave: {} }).catch((error: Error) =>
          log('warning', `the server is not told that this host goes, and finds out in a minute: ${error.message}`),
        )
      },
    }
    const probed = capture.mode === 'listeners' ? capture.appAddress : address
    await runMembership({ group: place.group, registry, address, probeAt: probed, name: host, log }, signal)
  } finally {
    // What was begun last ends first: the proxy, before what it lives from.
    for (const end of ends.reverse()) await end()
  }
}

function tellOf(
  address: string,
  capture: HostCapture,
  health: Extract<Parameters<typeof sendAsHost>[1], { tell: unknown }>['tell']['health'],
) {
  return { tell: { address, capture, health } }
}

/** What the host is in the mesh; asked for again until the server says so. */
async function placeOf(
  identity: NodeIdentity,
  message: Parameters<typeof sendAsHost>[1],
  signal: AbortSignal,
  log: Log,
): Promise<HostPlace> {
  for (let failures = 1; ; failures++) {
    try {
      return await sendAsHost(identity, message)
    } catch (error) {
      signal.throwIfAborted()
      if (failures === 1)
        log('warning', `this host is no member of the mesh yet: ${(error as Error).message}; tries again`)
      await after(retryDelay(failures, Math.random), undefined, { signal })
    }
  }
}

interface ServingParts {
  readonly sockets: { readonly ads: string; readonly sds: string }
  close(): void
}

/** Serves configuration and certificates to the host's own proxy, and to nobody else: whoever may enter the folder. */
async function serveProxy(
  { host, folder, capture, gather }: HostAgentOptions,
  { namespace, entry, identity: spiffeId }: HostPlace,
  identity: NodeIdentity,
  certificates: Certificates,
  log: Log,
): Promise<ServingParts> {
  const sockets = { ads: join(folder, 'ads.sock'), sds: join(folder, 'sds.sock') }
  const audit = new AuditLog({ tell: (line) => log('info', `audit ${line}`) })
  const key = `${namespace}/${entry}`
  const identify = ({ nodeId, peer }: Call) => {
    const claimed = nodeId?.split('~')[2]
    if (claimed === undefined || claimed === `${entry}.${namespace}`) return key
    const reason = `this is the agent of WorkloadEntry ${key}, and the proxy says it is of ${JSON.stringify(claimed)}`
    audit.record({
      outcome: 'refused',
      action: 'proxy.stream',
      who: 'unknown',
      from: peer,
      about: `proxy on host ${host}`,
      reason,
    })
    sync.changed()
    throw new Refused(status.PERMISSION_DENIED, reason)
  }
  let failure: string | undefined
  const relay = new Relay({
    admit: async (call) => ({ pod: identify(call), spiffeId }),
    open: ({ method }) => identity.stream(ADS_METHODS[method].path),
    listen: (id, listener) =>
      certificates.listen(id, (certificate) => {
        listener(certificate)
        sync.changed()
      }),
    failed(reason) {
      // Told once, however often it is tried meanwhile.
      if (reason !== failure) log('warning', `the stream of the proxy ends, which will come again: ${reason}`)
      failure = reason
    },
    changed: () => sync.changed(),
    log,
  })
  const sds = await SdsServer.listen(sockets.sds, log, () => sync.changed())
  const sync = new SyncWithServer({
    identity,
    certificates,
    proxies: () => {
      // A proxy to which traffic is redirected has its certificates by the stream of its configuration.
      if (capture.mode === 'redirect') return relay.proxies
      return [{ pod: key, spiffeId, confirmations: sds.confirmations }]
    },
    refused: () => audit.records(),
    clock: systemClock,
    random: Math.random,
    log,
  })
  const forget = certificates.listen(spiffeId, (certificate) => {
    sds.update(certificate)
    sync.changed()
  })
  const admin = join(folder, 'admin.sock')
  const endGathering = gather?.({
    server: relay.server,
    identify: async (call) => identify(call),
    proxies: () => new Map([[key, { socketPath: admin }]]),
    open: (path) => identity.stream(path),
  })
  await prepareSocket(sockets.ads)
  await relay.listen(`unix:${sockets.ads}`, ServerCredentials.createInsecure())
  return {
    sockets,
    close() {
      endGathering?.()
      forget()
      sync.close()
      sds.close()
      relay.close()
      audit.close()
    },
  }
}

function proxyOf(
  { folder, envoy, address, capture }: HostAgentOptions,
  { namespace, entry, group }: HostPlace,
  { sockets }: ServingParts,
  log: Log,
): HostProxy {
  const adminSocket = join(folder, 'admin.sock')
  const bootstrap = hostBootstrap({
    namespace,
    entry,
    address,
    adminSocket,
    adsSocket: sockets.ads,
    sdsSocket: sockets.sds,
  })
  const names = workloadNames({ ...group.spec?.metadata?.labels, ...group.spec?.template?.labels }, group.metadata.name)
  const env = { ...ownNames(names, namespace), ...tracedAs(names, namespace) }
  const user = capture.mode === 'redirect' ? { user: CAPTURED_PROXY } : {}
  return new HostProxy({ envoy, folder, bootstrap, adminSocket, env, log, ...user })
}

/** What the proxy of a captured host, another user, has to open. */
function ownedByProxy(folder: string, { ads, sds }: ServingParts['sockets']): void {
  const { uid, gid } = CAPTURED_PROXY
  for (const path of [folder, ads, sds]) chownSync(path, uid, gid)
}

async function unless(signal: AbortSignal, promise: Promise<void>): Promise<void> {
  signal.throwIfAborted()
  await Promise.race([
    promise,
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  ])
}
