import { createHash } from 'node:crypto'
import { type handleUnaryCall, type Server, type ServerUnaryCall, type ServiceDefinition, status } from '@grpc/grpc-js'
import { AGENT_NAME } from '../resources/cluster-names.ts'
import { type AuditLog, hostOf } from './audit-log.ts'
import { type CertificateAuthority, IdentityBlocked } from './ca.ts'
import {
  type CertificateRequest,
  type CertificateResponse,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from './certificate-messages.ts'
import { provenPublicKey } from './csr.ts'
import type { IssuedRecord } from './inventory.ts'
import { type Log, logToStderr } from './log.ts'
import { isOwnDomain, ownDomains } from './own-domains.ts'
import { type Peer, peerOf } from './peer.ts'
import { SignerUnavailable } from './signers/http.ts'
import { agentId, type Identity, parseSpiffeId } from './spiffe.ts'

/** Istio's certificate service, so that its node proxies could ask here, and ours there. */
export const certificateServiceDefinition = {
  createCertificate: {
    path: '/istio.v1.auth.IstioCertificateService/CreateCertificate',
    requestStream: false,
    responseStream: false,
    requestSerialize: encodeRequest,
    requestDeserialize: decodeRequest,
    responseSerialize: encodeResponse,
    responseDeserialize: decodeResponse,
  },
} as const satisfies ServiceDefinition

/** Whose request this is, as far as it is proven. */
export interface Caller {
  /** The node whose agent this is. */
  readonly node: string
  /** `joining`: it has only a join token, and may get its own certificate only. */
  readonly proof: 'joining' | 'certificate'
  /** Uses up what proved it, where that works only once; called when all else is granted. @throws RefusedCall */
  use?(keyFingerprint: string): void | Promise<void>
}

/** What is known of a call before it is trusted. */
export interface CallCredentials {
  readonly peer: Peer | undefined
  /** What follows `authorization: Bearer `. */
  readonly bearer: string | undefined
}

/** What a granted certificate carries beside the identity. */
export interface Grant {
  readonly dnsNames?: readonly string[]
}

export interface CertificateServiceOptions {
  readonly ca: CertificateAuthority
  /** @throws RefusedCall (UNAUTHENTICATED) */
  authenticate(credentials: CallCredentials): Caller | Promise<Caller>
  /** @throws RefusedCall (PERMISSION_DENIED) */
  authorize(caller: Caller, spiffeId: string): Grant | Promise<Grant>
  /** Told of each certificate that was given out. */
  readonly issued?: (record: IssuedRecord) => void
  /** Where refusals are remembered. */
  readonly audit?: Pick<AuditLog, 'record'>
  readonly log?: Log
}

/** A refusal that the caller is told of as it is. */
export class RefusedCall extends Error {
  readonly code: status
  constructor(code: status, message: string) {
    super(message)
    this.code = code
  }
}

/** Adds the service to a server, whose port must have `ServingCertificate` credentials. */
export function addCertificateService(server: Server, options: CertificateServiceOptions): void {
  const { log = logToStderr, ca, audit } = options
  const createCertificate: handleUnaryCall<CertificateRequest, CertificateResponse> = async (call, reply) => {
    try {
      reply(null, await answer(call, options))
    } catch (error) {
      const refusal =
        error instanceof IdentityBlocked
          ? new RefusedCall(status.PERMISSION_DENIED, error.message)
          : error instanceof RefusedCall
            ? error
            : undefined
      const peer = peerOf(call, ca.trustDomain)?.spiffeId
      const who = peer ?? `an unknown caller at ${call.getPeer()}`
      if (refusal)
        audit?.record({
          outcome: 'refused',
          action: 'certificate.request',
          who: peer ?? 'unknown',
          from: hostOf(call.getPeer()),
          about: String(call.request.metadata['ImpersonatedIdentity'] ?? "the caller's own identity"),
          reason: refusal.message,
        })
      log('warning', `no certificate for ${who}: ${(error as Error).message}`)
      const away =
        error instanceof SignerUnavailable ? 'the authority that signs is away; see the log of the server' : undefined
      const details = refusal?.message ?? away ?? 'the certificate authority failed; see the log of the server'
      reply({ code: refusal?.code ?? (away === undefined ? status.INTERNAL : status.UNAVAILABLE), details })
    }
  }
  server.addService(certificateServiceDefinition, { createCertificate })
}

/** What an agent joins with is a token: one of ours, or one of its service account. */
export interface JoinProofs {
  /** @throws Error where the token proves nothing; RefusedCall with another code where that cannot be told */
  find(token: string): JoinProof | Promise<JoinProof>
}

export interface JoinProof {
  readonly node: string
  /** Uses it up for the key with this fingerprint, where it is good only once. @throws Error where another key has used it */
  use?(keyFingerprint: string): void | Promise<void>
}

/** Agents prove themselves with their certificate while it lasts, or with a token to join with. */
export function authenticateAgents(
  ca: CertificateAuthority,
  tokens: JoinProofs,
): CertificateServiceOptions['authenticate'] {
  return async ({ peer, bearer }) => {
    // A token first: who sends one asks for a new start, also over a connection with an old certificate.
    if (bearer !== undefined) {
      const known = await refusing(status.UNAUTHENTICATED, () => tokens.find(bearer))
      return {
        node: known.node,
        proof: 'joining',
        use: (fingerprint) => refusing(status.UNAUTHENTICATED, () => known.use?.(fingerprint)),
      }
    }
    if (!peer) {
      throw new RefusedCall(
        status.UNAUTHENTICATED,
        'show a certificate of this mesh, or a token to join with in authorization: Bearer',
      )
    }
    if (peer.notAfter.getTime() <= ca.clock.now()) {
      throw new RefusedCall(
        status.UNAUTHENTICATED,
        `the certificate of ${peer.spiffeId} has ended; join again with a new token`,
      )
    }
    if (peer.identity.kind !== 'agent') {
      throw new RefusedCall(
        status.UNAUTHENTICATED,
        `${peer.spiffeId} is no agent; workloads get certificates from their node's`,
      )
    }
    return { node: peer.identity.node, proof: 'certificate' }
  }
}

/**
 * An agent may have its own identity, and, once it has that, those of workloads that `find` finds on its node.
 * @param find what to grant for a workload placed on the node; undefined where none such is there
 * @param agents what to grant to agents themselves. Default: the name by which proxies know them
 */
export function authorizeByPlacement(
  trustDomain: string,
  find: (node: string, workload: Identity & { kind: 'workload' }) => Grant | undefined | Promise<Grant | undefined>,
  agents: Grant = { dnsNames: [AGENT_NAME] },
): CertificateServiceOptions['authorize'] {
  return async (caller, spiffeId) => {
    if (ownDomains(trustDomain).some((name) => spiffeId === agentId(caller.node, name))) return agents
    const identity = await refusing(status.INVALID_ARGUMENT, () => parseSpiffeId(spiffeId))
    const denied = (why: string) =>
      new RefusedCall(status.PERMISSION_DENIED, `the agent of node ${caller.node} may not have ${spiffeId}: ${why}`)
    if (!isOwnDomain(identity.trustDomain, trustDomain)) throw denied(`the trust domain here is ${trustDomain}`)
    if (identity.kind === 'agent') throw denied('it is the agent of another node')
    if (caller.proof === 'joining') throw denied("what it joins with is for the agent's own certificate")
    const grant = await find(caller.node, identity)
    if (!grant) throw denied('no pod with that service account is placed on the node')
    return grant
  }
}

async function answer(
  call: ServerUnaryCall<CertificateRequest, CertificateResponse>,
  options: CertificateServiceOptions,
): Promise<CertificateResponse> {
  const { ca, authenticate, authorize } = options
  const [authorization] = call.metadata.get('authorization')
  const bearer = typeof authorization === 'string' ? /^Bearer (.+)$/i.exec(authorization)?.[1] : undefined
  const caller = await authenticate({ peer: peerOf(call, ca.trustDomain), bearer })
  const { csr, validityDuration, metadata } = call.request
  const spiffeId = metadata['ImpersonatedIdentity'] ?? agentId(caller.node, ca.trustDomain)
  if (typeof spiffeId !== 'string') {
    throw new RefusedCall(status.INVALID_ARGUMENT, 'metadata.ImpersonatedIdentity must be a string')
  }
  // An agent that is blocked gets nothing for others either.
  const own = agentId(caller.node, ca.trustDomain)
  if (ca.blocked.some((each) => each.spiffeId === own))
    throw new RefusedCall(status.PERMISSION_DENIED, `${own} is blocked`)
  const grant = await authorize(caller, spiffeId)
  const key = await provenPublicKey(csr).catch((error: Error) => {
    throw new RefusedCall(status.INVALID_ARGUMENT, error.message)
  })
  await caller.use?.(createHash('sha256').update(Buffer.from(key)).digest('hex'))
  const lifeMs = validityDuration > 0 ? validityDuration * 1000 : undefined
  const issued = await ca.signCsr({ csrPem: csr, spiffeId, lifeMs, dnsNames: grant.dnsNames })
  const { serial, issuer, root, key: keyOfIt } = issued
  const [notBefore, notAfter] = [issued.notBefore, issued.notAfter].map((time) => time.toISOString()) as [
    string,
    string,
  ]
  options.issued?.({ spiffeId, serial, issuer, root, notBefore, notAfter, key: keyOfIt, node: caller.node })
  return { certChain: [...pemBlocks(issued.chainPem), issued.trustBundlePem] }
}

function pemBlocks(pem: string): string[] {
  return pem.split(/(?<=-----END CERTIFICATE-----\n)/)
}

async function refusing<T>(code: status, attempt: () => T | Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof RefusedCall) throw error
    throw new RefusedCall(code, (error as Error).message)
  }
}
