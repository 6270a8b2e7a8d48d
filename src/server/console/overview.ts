import { services } from '../../mesh/services.ts'
import { workloads } from '../../mesh/workloads.ts'
import { KINDS, type KindId } from '../../resources/kinds.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Alert, AlertSeverity } from '../../telemetry/questions/alerts.ts'
import type {
  Attention,
  CertificateRow,
  MeshInfo,
  Message,
  Overview,
  ProxyRow,
  Severity,
  WorkloadRow,
} from './answers.ts'
import { isLate } from './certificate-views.ts'
import { countFindings } from './finding-counts.ts'
import { countStates } from './proxy-views.ts'

/** So many of what needs attention are told one by one. */
const MOST_ATTENTION = 12

const ROUTES: readonly KindId[] = [
  'networking.istio.io/VirtualService',
  'gateway.networking.k8s.io/HTTPRoute',
  'gateway.networking.k8s.io/GRPCRoute',
  'gateway.networking.k8s.io/TLSRoute',
  'gateway.networking.k8s.io/TCPRoute',
  'gateway.networking.k8s.io/UDPRoute',
]
const GATEWAYS: readonly KindId[] = ['networking.istio.io/Gateway', 'gateway.networking.k8s.io/Gateway']
const POLICIES = (Object.keys(KINDS) as KindId[]).filter((id) => id.startsWith('security.istio.io/'))

const GRAVITY: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 }

/** What the first page shows. @param now in ms since the epoch */
export function overview(
  snapshot: Snapshot,
  mesh: MeshInfo,
  proxies: readonly ProxyRow[],
  rows: readonly WorkloadRow[],
  messages: readonly Message[],
  held: readonly CertificateRow[],
  alerts: readonly Alert[],
  now: number,
): Overview {
  const late = held.filter((certificate) => isLate(certificate, now))
  const attention = [
    ...alerts.filter(({ state }) => state === 'firing').map(firing),
    ...proxies.filter(({ state }) => state === 'disconnected').map(disconnected),
    ...late.map((certificate) => ending(certificate, now)),
    ...messages.filter(({ severity }) => severity !== 'info').map(finding),
  ].sort((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity])
  const mtls = { strict: 0, permissive: 0, disabled: 0, mixed: 0 }
  for (const row of rows) if (row.mtls !== 'none') mtls[row.mtls]++
  return {
    mesh,
    counts: {
      services: services(snapshot).size,
      workloads: rows.length,
      pods: workloads(snapshot).size,
      gateways: count(snapshot, GATEWAYS),
      namespaces: new Set(rows.map(({ namespace }) => namespace)).size,
      routes: count(snapshot, ROUTES),
      policies: count(snapshot, POLICIES),
    },
    proxies: countStates(proxies.map(({ state }) => state)),
    findings: countFindings(messages),
    certificates: { held: held.length, ending: late.length },
    mtls,
    attention: attention.slice(0, MOST_ATTENTION),
    moreAttention: Math.max(0, attention.length - MOST_ATTENTION),
  }
}

function count(snapshot: Snapshot, kinds: readonly KindId[]): number {
  return kinds.reduce((sum, kind) => sum + snapshot.all(kind).size, 0)
}

const ALERTING: Readonly<Record<AlertSeverity, Severity>> = { critical: 'error', warning: 'warning', info: 'info' }

function firing({ rule, severity, summary, runbook }: Alert): Attention {
  return {
    severity: ALERTING[severity],
    title: `${rule.namespace}/${rule.name} alerts`,
    detail: summary,
    remedy: runbook === '' ? '' : `See ${runbook}`,
    to: '/alerts',
  }
}

function disconnected({ proxy, workload }: ProxyRow): Attention {
  return {
    severity: 'warning',
    title: `The proxy of ${proxy} is not connected`,
    detail: 'It keeps the configuration that it has, and hears of no change',
    remedy: `See whether the pod runs; it is of workload ${workload}`,
    to: `/proxies/${proxy}`,
  }
}

function ending({ usedBy, notAfter, spiffeId }: CertificateRow, now: number): Attention {
  const minutes = Math.round((Date.parse(notAfter) - now) / 60_000)
  return {
    severity: minutes <= 0 ? 'error' : 'warning',
    title: `The certificate of ${usedBy.join(', ')} ${minutes <= 0 ? 'has ended' : `ends in ${minutes} min`}`,
    detail: `${spiffeId} should have a new one by now`,
    remedy: 'See whether its agent runs and reaches the server',
    to: '/certificates',
  }
}

function finding({ severity, object, field, problem, remedy, rule }: Message): Attention {
  return {
    severity,
    title: object ?? rule,
    ...(field ? { field } : {}),
    detail: problem,
    remedy,
    to: `/findings?rule=${encodeURIComponent(rule)}`,
  }
}
