import { createHash } from 'node:crypto'
import type { Server, ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import { type AuditLog, type AuditRecord, hostOf } from './audit-log.ts'
import type { CertificateAuthority, FederatedBundle } from './ca.ts'
import { peerOf } from './peer.ts'

/** A certificate in use, as an agent knows it. */
export interface ReportedCertificate {
  readonly spiffeId: string
  /** In hexadecimal. */
  readonly serial: string
  /** In hexadecimal: the key that signed it. */
  readonly issuer: string
  /** Fingerprint of the root that its chain ends in; empty where that is unknown. */
  readonly root: string
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
}

/** What a proxy has of its workload's identity. */
export interface ReportedProxy {
  /** `NAMESPACE/NAME`. */
  readonly pod: string
  /** Whether it is connected to the agent. */
  readonly connected: boolean
  /** Absent while there is none. */
  readonly certificate?: ReportedCertificate
  /** Whether it has confirmed that certificate, or asks for none. */
  readonly certificateTaken: boolean
  /** SHA-256 (hexadecimal) of the roots that it is given. */
  readonly roots: string
  readonly rootsTaken: boolean
}

/** What an agent tells the server whenever it changes. */
export interface AgentReport {
  /** The agent's own. */
  readonly own: ReportedCertificate
  /** SHA-256 (hexadecimal) of the roots that it trusts. */
  readonly roots: string
  readonly proxies: readonly ReportedProxy[]
  /** The newest of what the agent refused; absent where it refuses nobody itself. */
  readonly refused?: readonly AuditRecord[]
}

/** What the server tells agents whenever it changes: whom to trust from now on, and which certificates to have. */
export interface CaOrders {
  readonly trustBundlePem: string
  readonly federated: readonly FederatedBundle[]
  /** Fingerprint of the root that chains are to end in: others are to be replaced. */
  readonly root: string
  /** In hexadecimal, the key that is to have signed them; absent where that does not matter. */
  readonly issuer?: string
  /** Over how long to spread that, in ms. */
  readonly spreadMs: number
}

/** What versions of what is trusted are called: SHA-256 in hexadecimal. */
export function rootsVersion(trustBundlePem: string, federated: readonly FederatedBundle[]): string {
  const text = federated.length === 0 ? trustBundlePem : JSON.stringify([trustBundlePem, federated])
  return createHash('sha256').update(text).digest('hex')
}

const json = {
  serialize: (message: unknown) => Buffer.from(JSON.stringify(message)),
  deserialize: (bytes: Buffer) => JSON.parse(bytes.toString('utf8')),
}

/** A stream between agent and server of messages in JSON: reports one way, orders the other. */
export const certificateSyncDefinition = {
  follow: {
    path: '/weft.v1.CertificateSync/Follow',
    requestStream: true,
    responseStream: true,
    requestSerialize: json.serialize,
    requestDeserialize: json.deserialize as (bytes: Buffer) => AgentReport,
    responseSerialize: json.serialize,
    responseDeserialize: json.deserialize as (bytes: Buffer) => CaOrders,
  },
} as const satisfies ServiceDefinition

/** An agent that is connected. */
export interface ConnectedAgent {
  readonly node: string
  /** Absent until it has told. */
  readonly report?: AgentReport
}

const SPREAD_PER_AGENT_MS = 100
const LEAST_SPREAD_MS = 1000
const MOST_SPREAD_MS = 30_000

/** Tells agents what the certificate authority wants of them, and knows what they have made of it. */
export class CertificateSync {
  readonly #ca: CertificateAuthority
  readonly #audit: Pick<AuditLog, 'record' | 'keep'> | undefined
  /** In the order in which they came: of two of one node, the later one counts. */
  readonly #agents = new Map<ServerDuplexStream<AgentReport, CaOrders>, ConnectedAgent>()

  constructor(ca: CertificateAuthority, audit?: Pick<AuditLog, 'record' | 'keep'>) {
    this.#ca = ca
    this.#audit = audit
    ca.subscribe(() => {
      for (const call of this.#agents.keys()) call.write(this.#orders())
    })
  }

  /** Adds the service to a server, whose port must have `ServingCertificate` credentials. */
  addTo(server: Server): void {
    server.addService(certificateSyncDefinition, {
      follow: (call: ServerDuplexStream<AgentReport, CaOrders>) => this.#serve(call),
    })
  }

  get agents(): readonly ConnectedAgent[] {
    return [...new Map([...this.#agents.values()].map((agent) => [agent.node, agent])).values()]
  }

  #serve(call: ServerDuplexStream<AgentReport, CaOrders>): void {
    const peer = peerOf(call, this.#ca.trustDomain)
    if (peer?.identity.kind !== 'agent' || peer.notAfter.getTime() <= this.#ca.clock.now()) {
      const details = `this is for agents, with their certificate, and the caller is ${peer?.spiffeId ?? 'unknown'}`
      const [who, from] = [peer?.spiffeId ?? 'unknown', hostOf(call.getPeer())]
      this.#audit?.record({ outcome: 'refused', action: 'certificates.follow', who, from, reason: details })
      call.emit('error', { code: status.UNAUTHENTICATED, details })
      return
    }
    const { node } = peer.identity
    this.#agents.set(call, { node })
    call.on('data', (report: AgentReport) => {
      this.#agents.set(call, { node, report })
      this.#audit?.keep(report.refused ?? [])
    })
    const end = () => this.#agents.delete(call)
    call.on('cancelled', end)
    call.on('error', end)
    call.on('end', () => {
      end()
      call.end()
    })
    call.write(this.#orders())
  }

  #orders(): CaOrders {
    const { root, issuer } = this.#ca.signing
    const spreadMs = Math.min(MOST_SPREAD_MS, Math.max(LEAST_SPREAD_MS, this.#agents.size * SPREAD_PER_AGENT_MS))
    const { trustBundlePem, federated } = this.#ca
    return { trustBundlePem, federated, root, spreadMs, ...(issuer === undefined ? {} : { issuer }) }
  }
}
