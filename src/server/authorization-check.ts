import { inForceAt } from '../management/authorization/in-force.ts'
import { inboundPorts } from '../mesh/inbound-ports.ts'
import { meshConfig } from '../mesh/mesh-config.ts'
import type { InboundPort, Workload } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import { requestAuthentications } from '../mesh/selected-policies.ts'
import { workloads } from '../mesh/workloads.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Call } from '../translate/prediction/authorization/call.ts'
import { type Decision, decide, type Step } from '../translate/prediction/authorization/decide.ts'
import { verifyToken } from '../translate/prediction/authorization/token.ts'
import { headersOf } from '../translate/prediction/request.ts'
import { type ResourceSource, resourceSource } from './resource-sources.ts'

/** A call that somebody asks about. */
export interface AskedCall {
  /** SPIFFE ID, with or without its scheme, or `namespace/pod`; absent for a caller without certificate. */
  readonly from?: string
  /** The caller's address; that of the pod where `from` names one. */
  readonly fromAddress?: string
  /** The original client's address, where proxies are trusted to tell it. */
  readonly clientAddress?: string
  /** Of the workload, not of its service; may be absent where it has one only. */
  readonly port?: number
  readonly method: string
  /** With the query. */
  readonly path: string
  /** The authority; the name of the service and its port if absent. */
  readonly host?: string
  /** `NAME: VALUE` each. */
  readonly headers: readonly string[]
  readonly serverName?: string
  /** A JSON Web Token, in whatever place it is looked for. */
  readonly token?: string
}

export interface ExplainedStep extends Omit<Step, 'object'> {
  readonly source?: ResourceSource
}

/** Whether a call is allowed, and by what. Plain data. */
export interface AuthorizationExplanation extends Omit<Decision, 'steps'> {
  /** `namespace/pod` */
  readonly workload: string
  readonly port: number
  /** SPIFFE ID without its scheme. */
  readonly principal?: string
  readonly http?: { readonly method: string; readonly host: string; readonly path: string }
  readonly steps: readonly ExplainedStep[]
  /** What was asked about and counts for nothing, as the port does not speak HTTP: `path`, `token` and the like. */
  readonly ignored?: readonly string[]
}

/** @throws Error with a sentence for whoever asks, where the call cannot be understood */
export async function explainAuthorization(
  snapshot: Snapshot,
  key: string,
  asked: AskedCall,
): Promise<AuthorizationExplanation> {
  const workload = workloads(snapshot).get(key)
  if (!workload) throw new Error(`there is no proxy ${key}`)
  const inbound = portOf(snapshot, workload, asked.port)
  const port = inbound?.port ?? asked.port ?? 80
  const token = await verifyToken(asked.token, requestAuthentications(snapshot, workload))
  const call = {
    ...callOf(snapshot, workload, inbound, port, asked),
    ...(token.claims ? { claims: token.claims } : {}),
  }
  const { steps, ...decision } = decide(call, token, inForceAt(snapshot, workload, inbound))
  const { principal, http } = call
  return {
    workload: key,
    port,
    ...(principal === undefined ? {} : { principal }),
    ...(http ? { http: { method: http.method, host: http.authority, path: http.path } } : {}),
    ...decision,
    ...(http ? {} : ignoredOf(asked)),
    steps: steps.map(({ object, ...step }) => ({ ...step, ...(object ? { source: resourceSource(object) } : {}) })),
  }
}

function ignoredOf({ method, path, host, headers, token }: AskedCall): Pick<AuthorizationExplanation, 'ignored'> {
  const ignored = [
    ...(method === 'GET' ? [] : ['method']),
    ...(path === '/' ? [] : ['path']),
    ...(host === undefined ? [] : ['host']),
    ...(headers.length === 0 ? [] : ['headers']),
    ...(token === undefined ? [] : ['token']),
  ]
  return ignored.length === 0 ? {} : { ignored }
}

/** Undefined for a gateway, whose ports are those of its listeners. */
function portOf(snapshot: Snapshot, workload: Workload, port: number | undefined): InboundPort | undefined {
  if (workload.role === 'gateway') return undefined
  const ports = inboundPorts(snapshot, workload)
  const [only, ...others] = port === undefined ? ports : ports.filter((each) => each.port === port)
  const there = ports.map((each) => each.port).join(', ') || 'none'
  if (!only)
    throw new Error(
      port === undefined
        ? `no Service has a port at ${workload.key}`
        : `${workload.key} has no port ${port}: there are ${there}`,
    )
  if (others.length > 0) throw new Error(`${workload.key} has several ports: say which of ${there}`)
  return only
}

function callOf(
  snapshot: Snapshot,
  workload: Workload,
  inbound: InboundPort | undefined,
  port: number,
  asked: AskedCall,
): Call {
  const caller = asked.from === undefined ? undefined : workloads(snapshot).get(asked.from)
  if (asked.from !== undefined && !caller && !SPIFFE_ID.test(asked.from))
    throw new Error(
      `"${asked.from}" is neither a pod with a proxy nor a SPIFFE ID; write one such as cluster.local/ns/NAMESPACE/sa/ACCOUNT`,
    )
  const principal = (caller?.identity ?? asked.from)?.replace(/^spiffe:\/\//, '')
  const peerAddress = asked.fromAddress ?? caller?.address ?? ''
  const http = !inbound || isHttp(inbound.protocol) || inbound.protocol === 'auto'
  return {
    ...(principal === undefined ? {} : { principal }),
    peerAddress,
    clientAddress: asked.clientAddress ?? peerAddress,
    destinationAddress: workload.address,
    port,
    ...(asked.serverName === undefined ? {} : { serverName: asked.serverName }),
    ...(http ? { http: requestOf(asked, inbound, port), paths: meshConfig(snapshot).pathNormalization } : {}),
  }
}

const SPIFFE_ID = /^(spiffe:\/\/)?[^/]+\/.+\/.+/

function requestOf({ method, path, host, headers: lines }: AskedCall, inbound: InboundPort | undefined, port: number) {
  const service = inbound?.service.kind === 'Service' ? inbound.service.metadata.name : undefined
  const { host: written, ...others } = headersOf(lines)
  const authority = host ?? written ?? (service === undefined ? '' : `${service}:${port}`)
  return { method, scheme: 'http', authority, path: path.startsWith('/') ? path : `/${path}`, headers: others }
}
