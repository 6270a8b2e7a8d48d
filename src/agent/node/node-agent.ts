import { readFileSync } from 'node:fs'
import { experimental, type Server, type ServerCredentials } from '@grpc/grpc-js'
import { AuditLog, hostOf } from '../../identity/audit-log.ts'
import { systemClock } from '../../identity/clock.ts'
import { type Log, logToStderr } from '../../identity/log.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { Certificates, type HeldCertificate, type HeldListener } from '../certificates.ts'
import { NodeIdentity } from '../certificates-node.ts'
import { SyncWithServer } from '../sync-with-server.ts'
import { whenFree } from './free-port.ts'
import { type Call, type CallingPod, PodCallers } from './pod-caller.ts'
import { PodCaptures } from './pod-capture.ts'
import { ADS_METHODS, Relay } from './relay.ts'
import { Refused, type ServerStream } from './relayed-stream.ts'

export interface NodeAgentOptions {
  readonly node: string
  /** Where the proxies of the node reach it: `HOST:PORT`. */
  readonly listenAddress: string
  /** `HOST:PORT` of the server. */
  readonly serverAddress: string
  readonly trustDomain: string
  /** PEM file with the roots to know the server by. */
  readonly trustBundleFile: string
  /** File with the token of the agent's service account, for the audience of Weft; read anew for each use, as it is renewed. */
  readonly tokenFile: string
  readonly api: ApiServer
  /** Redirects a pod's traffic. Default: in its network namespace. @throws Refused */
  readonly capture?: (pod: CallingPod) => Promise<void>
  /** As in PodCallersOptions. */
  readonly nodeAddresses?: () => readonly string[]
  /** Gathers the telemetry of the node's proxies. Returns the call that ends it. */
  readonly gather?: (node: NodeParts) => () => void
  readonly log?: Log
}

/** What a node agent gives to who gathers telemetry. */
export interface NodeParts {
  /** To which its proxies send. */
  readonly server: Server
  /** Finds out which pod of the node it is that calls: `NAMESPACE/NAME`. @throws Refused */
  identify(call: Call): Promise<string>
  /** Addresses of its proxies, or the socket of the administration, by `NAMESPACE/NAME`. */
  proxies(): ReadonlyMap<string, string | { readonly socketPath: string }>
  /** Opens a stream with the server at a gRPC method. Rejects where it cannot be had now. */
  open(path: string): Promise<ServerStream>
}

export interface NodeAgent {
  /** Resolves when the server has let it join: from then on it could serve, if nobody else does on its port. */
  readonly joined: Promise<void>
  /** Resolves with the port when proxies are served, which takes the server's first answer. */
  readonly serving: Promise<number>
  close(): void
}

/** Any time will do, in ms. */
const STAY_MS = 60_000

/** How many of the newest refusals the server is told of. */
const MOST_REFUSED = 50

/** How long a key is kept after the last proxy that used it went away, in ms: proxies that come back find the certificate that they have. */
const KEEP_MS = 60_000

/** The agent of a node of a cluster: makes the keys of the pods there, redirects their traffic, and relays their proxies' configuration. */
export function startNodeAgent(options: NodeAgentOptions): NodeAgent {
  const { node, listenAddress, serverAddress, trustDomain, trustBundleFile, tokenFile, api } = options
  const { log = logToStderr } = options
  const identity = new NodeIdentity({
    node,
    server: { address: serverAddress, trustDomain, trustBundleFile },
    joinToken: async () => readFileSync(tokenFile, 'utf8').trim(),
    log,
  })
  const certificates = new Certificates({ sign: (csrPem, spiffeId) => identity.sign(csrPem, spiffeId), log })
  const callers = new PodCallers({
    server: api,
    node,
    trustDomain,
    ...(options.nodeAddresses && { nodeAddresses: options.nodeAddresses }),
  })
  const captures = new PodCaptures()
  const capture = options.capture ?? ((pod) => captures.ensure(pod))
  const audit = new AuditLog({ tell: (line) => log('info', `audit ${line}`) })
  const complaints = new Complaints(log)
  const kept = new Set<() => void>()
  const relay = new Relay({
    async admit(call) {
      try {
        const pod = await callers.identify(call)
        await capture(pod)
        return { pod: pod.key, spiffeId: pod.spiffeId }
      } catch (error) {
        complaints.tell(call.nodeId, call.peer, error as Error)
        if (error instanceof Refused)
          audit.record({
            outcome: 'refused',
            action: 'proxy.stream',
            who: 'unknown',
            from: hostOf(call.peer),
            about: `proxy ${JSON.stringify(call.nodeId)} on node ${node}`,
            reason: error.message,
          })
        sync.changed()
        throw error
      }
    },
    open: ({ method }) => identity.stream(ADS_METHODS[method].path),
    listen(spiffeId, listener) {
      const end = certificates.listen(spiffeId, (certificate) => {
        listener(certificate)
        sync.changed()
      })
      return () => {
        // First, so that somebody always listens: the last one to go forgets the key.
        keepForAWhile(certificates, spiffeId, kept)
        end()
      }
    },
    failed: (reason) => complaints.failed(reason),
    changed: () => sync.changed(),
    log,
  })
  const sync = new SyncWithServer({
    identity,
    certificates,
    proxies: () => relay.proxies,
    refused: () => audit.records().slice(-MOST_REFUSED),
    clock: systemClock,
    random: Math.random,
    log,
  })
  const endGathering = options.gather?.({
    server: relay.server,
    identify: async (call) => (await callers.identify(call)).key,
    proxies: () => relay.addresses,
    open: (path) => identity.stream(path),
  })
  // Waits for its server, however long: by then nothing else might keep the process going.
  const staying = setInterval(() => {}, STAY_MS)
  const joined = identity.joined()
  const serving = joined.then(async () => {
    const credentials = servingCredentials((listener) => identity.onCertificate(listener))
    await whenFree(listenAddress, BEFORE_MS, log)
    const port = await relay.listen(listenAddress, credentials)
    log('info', `serving the proxies of node ${node} at ${listenAddress}, for the server at ${serverAddress}`)
    return port
  })
  return {
    joined,
    serving,
    close() {
      clearInterval(staying)
      endGathering?.()
      audit.close()
      relay.close()
      sync.close()
      for (const end of kept) end()
      certificates.close()
      identity.close()
    },
  }
}

/** How long the agent before may take to end, and with it to let go of the port, in ms. */
const BEFORE_MS = 60_000

function keepForAWhile(certificates: Certificates, spiffeId: string, kept: Set<() => void>): void {
  const stop = certificates.listen(spiffeId, () => {})
  const end = () => {
    clearTimeout(timer)
    kept.delete(end)
    stop()
  }
  const timer = setTimeout(end, KEEP_MS)
  kept.add(end)
}

/** The agent's own certificate for its port, followed as it is renewed; callers show tokens, not certificates. */
function servingCredentials(onCertificate: (listener: HeldListener) => () => void): ServerCredentials {
  const stops = new Map<experimental.IdentityCertificateUpdateListener, () => void>()
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener() {},
    removeCaCertificateListener() {},
    addIdentityCertificateListener(listener) {
      const tell = ({ chainPem, privateKeyPem }: HeldCertificate) =>
        listener({ certificate: Buffer.from(chainPem), privateKey: Buffer.from(privateKeyPem) })
      // Told in a moment and not at once: grpc-js (1.14) is ready to hear only after it has added the listener.
      stops.set(
        listener,
        onCertificate((held) => process.nextTick(tell, held)),
      )
    },
    removeIdentityCertificateListener(listener) {
      stops.get(listener)?.()
      stops.delete(listener)
    },
  }
  return experimental.createCertificateProviderServerCredentials(provider, null, false)
}

/** How long the same refusal is not logged again, in ms: a proxy that is refused tries every second or so. */
const QUIET_MS = 60_000
const MOST_REMEMBERED = 1000

/** Logs who was refused, and why, and what broke; the same again and again only now and then. */
class Complaints {
  readonly #log: Log
  readonly #told = new Map<string, number>()

  constructor(log: Log) {
    this.#log = log
  }

  tell(nodeId: string, peer: string, error: Error): void {
    const host = peer.slice(0, peer.lastIndexOf(':'))
    if (!this.#isNew(`${host} ${error.message}`)) return
    const severity = error instanceof Refused ? 'warning' : 'error'
    this.#log(
      severity,
      `refused a proxy at ${host} that says it is ${JSON.stringify(nodeId.slice(0, 200))}: ${error.message}`,
    )
  }

  /** Streams break together when the server goes away: that is told once. */
  failed(reason: string): void {
    if (this.#isNew(reason)) this.#log('warning', `streams of proxies end, which will come again: ${reason}`)
  }

  #isNew(complaint: string): boolean {
    const now = systemClock.now()
    if ((this.#told.get(complaint) ?? 0) > now - QUIET_MS) return false
    if (this.#told.size >= MOST_REMEMBERED) this.#told.clear()
    this.#told.set(complaint, now)
    return true
  }
}
