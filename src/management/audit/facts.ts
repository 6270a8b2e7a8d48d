import type { AuditRecord } from '../../identity/audit-log.ts'
import type { InventoryRecord } from '../../identity/inventory.ts'
import { inboundPorts } from '../../mesh/inbound-ports.ts'
import type { MtlsMode } from '../../mesh/model.ts'
import { authorizationPolicies } from '../../mesh/selected-policies.ts'
import { meshPeers } from '../../mesh/trust-domains.ts'
import type { KindId } from '../../resources/kinds.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { CallsAnswer } from '../../telemetry/questions/calls.ts'
import type { ConfigurationChange } from '../../telemetry/questions/changes.ts'
import type { GraphAnswer } from '../../telemetry/questions/graph.ts'
import type { PlaintextEvidence } from '../../telemetry/questions/plaintext.ts'
import type { TimeSpan } from '../../telemetry/questions/span-of-time.ts'
import { actionOf, isDryRun } from '../../translate/authorization/policy-layers.ts'
import { tlsParameters } from '../../translate/mtls.ts'
import { podsByWorkload } from '../authorization/callees.ts'

/** What an auditor is shown: what holds, and by what it is known. Times in ms since the epoch; null where something was not observed. */
export interface AuditFacts extends TimeSpan {
  /** Since when traffic is recorded. */
  readonly recordedSince: number | null
  readonly edges: readonly EdgeFact[]
  readonly workloads: readonly WorkloadFact[]
  readonly policies: readonly PolicyFact[]
  readonly certificates: CertificateFacts
  /** Between sidecars; cipher suites are those of TLS 1.2, where that is taken. */
  readonly transport: { readonly minimumVersion: string; readonly cipherSuites: readonly string[] }
  /** Attempts that were refused, the newest first, at most 100. */
  readonly refusals: readonly AuditRecord[]
  /** Calls that policies refused. */
  readonly refusedCalls: number
}

export interface EdgeFact {
  readonly source: string
  readonly destination: string
  readonly protocol: string
  readonly calls: number
  /** Share that came with mutual TLS; null where no proxy of the mesh stands before the server. */
  readonly mutualTls: number | null
}

export interface WorkloadFact {
  readonly namespace: string
  readonly workload: string
  readonly ports: readonly { readonly port: number; readonly mtls: MtlsMode }[]
  /** The last use of plaintext, and whose it was. */
  readonly lastPlaintext: { readonly at: number; readonly by: string } | null
  /** Policies of ALLOW, DENY or CUSTOM in force for it. */
  readonly policies: number
}

export interface PolicyFact {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** When it last changed, as far as that was recorded. */
  readonly since: number | null
}

export interface CertificateFacts {
  readonly count: number
  /** By type and size, such as `EC P-256`. */
  readonly keys: Readonly<Record<string, number>>
  /** The longest life, in ms. */
  readonly longestLife: number | null
  readonly selfMadeRoot: boolean | null
}

/** What facts are made from. */
export interface AuditSources {
  readonly span: TimeSpan
  readonly snapshot: Snapshot
  readonly graph: GraphAnswer
  readonly plaintext: readonly PlaintextEvidence[]
  readonly calls: CallsAnswer
  readonly changes: readonly ConfigurationChange[]
  readonly inventory: readonly InventoryRecord[]
  readonly selfMadeRoot: boolean | null
  readonly audit: readonly AuditRecord[]
}

const MOST_REFUSALS = 100

const POLICY_KINDS: readonly KindId[] = [
  'security.istio.io/PeerAuthentication',
  'security.istio.io/AuthorizationPolicy',
  'security.istio.io/RequestAuthentication',
]

export function auditFacts(sources: AuditSources): AuditFacts {
  const { span, snapshot, calls, audit } = sources
  return {
    ...span,
    recordedSince: calls.since,
    edges: edgesOf(sources.graph),
    workloads: workloadsOf(snapshot, sources.plaintext),
    policies: policiesOf(snapshot, sources.changes),
    certificates: certificatesOf(sources),
    transport: {
      minimumVersion: meshPeers(snapshot).tls12 ? 'TLS 1.2' : 'TLS 1.3',
      cipherSuites: tlsParameters().cipherSuites,
    },
    refusals: audit
      .filter(({ outcome, time, until = time }) => outcome === 'refused' && within(span, time, until))
      .sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
      .slice(0, MOST_REFUSALS),
    refusedCalls: calls.calls.reduce((sum, { refused, count }) => sum + (refused ? count : 0), 0),
  }
}

function within({ from, to }: TimeSpan, time: string, until: string): boolean {
  return Date.parse(until) >= from && Date.parse(time) < to
}

function edgesOf({ nodes, edges }: GraphAnswer): EdgeFact[] {
  const names = new Map(
    nodes.map(({ id, kind, namespace, name }) => [
      id,
      kind === 'workload' ? `${namespace}/${name}` : name || 'unknown',
    ]),
  )
  return edges
    .map(({ source, destination, protocol, signals, mutualTls }) => ({
      source: names.get(source) ?? source,
      destination: names.get(destination) ?? destination,
      protocol,
      calls: signals.requests + signals.connections,
      mutualTls,
    }))
    .sort((a, b) => (a.mutualTls ?? -1) - (b.mutualTls ?? -1) || b.calls - a.calls)
}

function workloadsOf(snapshot: Snapshot, plaintext: readonly PlaintextEvidence[]): WorkloadFact[] {
  return [...podsByWorkload(snapshot)]
    .flatMap(([key, [pod]]): WorkloadFact[] => {
      if (!pod || pod.role === 'gateway') return []
      const [namespace = '', workload = ''] = key.split('/')
      const used = plaintext
        .filter(({ destination }) => destination.namespace === namespace && destination.workload === workload)
        .sort((a, b) => b.lastSeen - a.lastSeen)[0]
      const by =
        used &&
        (used.source.workload === 'unknown' ? used.source.address : `${used.source.namespace}/${used.source.workload}`)
      const policies = authorizationPolicies(snapshot, pod).filter(
        (policy) => actionOf(policy) !== 'AUDIT' && !isDryRun(policy),
      )
      return [
        {
          namespace,
          workload,
          ports: inboundPorts(snapshot, pod).map(({ port, mtls }) => ({ port, mtls })),
          lastPlaintext: used ? { at: used.lastSeen, by: by ?? '' } : null,
          policies: policies.length,
        },
      ]
    })
    .sort((a, b) => (`${a.namespace}/${a.workload}` < `${b.namespace}/${b.workload}` ? -1 : 1))
}

function policiesOf(snapshot: Snapshot, changes: readonly ConfigurationChange[]): PolicyFact[] {
  return POLICY_KINDS.flatMap((id) =>
    [...snapshot.all(id).values()].map(({ kind, metadata }): PolicyFact => {
      const { namespace = '', name, creationTimestamp } = metadata
      const last = changes.find((each) => each.kind === kind && each.namespace === namespace && each.name === name)
      const created = creationTimestamp === undefined ? Number.NaN : Date.parse(creationTimestamp)
      return { kind, namespace, name, since: last?.at ?? (Number.isNaN(created) ? null : created) }
    }),
  )
}

function certificatesOf({ inventory, selfMadeRoot, span }: AuditSources): CertificateFacts {
  const current = inventory.filter(({ notAfter }) => Date.parse(notAfter) > span.to)
  const keys: Record<string, number> = {}
  for (const { key = 'unknown' } of current) keys[key] = (keys[key] ?? 0) + 1
  const lives = current.map(({ notBefore, notAfter }) => Date.parse(notAfter) - Date.parse(notBefore))
  return { count: current.length, keys, longestLife: lives.length > 0 ? Math.max(...lives) : null, selfMadeRoot }
}
