import type { Service } from '../../mesh/model.ts'
import { type MtlsPolicy, mtlsModeAt, mtlsPolicies } from '../../mesh/peer-authentication.ts'
import type { DestinationRule } from '../../resources/istio.ts'
import { displayName, type FieldPath, isKind, keyOf } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { servicesMatching } from '../views/hosts.ts'
import { podsWith } from '../views/pods.ts'
import { rulesByHost } from '../views/subsets.ts'

export const mtlsConflict: Check = {
  rule: 'mtls-conflict',
  severity: 'error',
  about:
    'A DestinationRule tells clients to speak otherwise than a PeerAuthentication demands of the service: its connections fail.',
  *find(snapshot) {
    for (const [host, rules] of rulesByHost(snapshot)) {
      const settings = rules.flatMap(({ resource }) =>
        tlsSettings(resource).map((setting) => ({ resource, ...setting })),
      )
      if (settings.length === 0) continue
      for (const service of servicesMatching(snapshot, host)) {
        const demands = demandsOf(snapshot, service)
        for (const { resource, path, mode, port, subset } of settings) {
          const conflict = demands.find(
            (demand) =>
              (port === undefined || port === demand.port) &&
              matches(subset, demand.labels) &&
              (mode === 'ISTIO_MUTUAL' ? demand.mode === 'DISABLE' : demand.mode === 'STRICT'),
          )
          if (!conflict) continue
          const by = decider(conflict)
          yield {
            resource,
            path,
            problem:
              mode === 'ISTIO_MUTUAL'
                ? `clients are told to use mesh mTLS, but ${by} turns it off on port ${conflict.port} of "${service.host}"`
                : `clients are told to use ${mode === 'DISABLE' ? 'no TLS' : `TLS of their own (${mode})`}, but ${by} demands mesh mTLS (STRICT) on port ${conflict.port} of "${service.host}"`,
            remedy:
              mode === 'ISTIO_MUTUAL'
                ? `leave tls out, so that clients find out by themselves, or let ${by} say PERMISSIVE`
                : `write ISTIO_MUTUAL or leave tls out, or let ${by} say PERMISSIVE`,
          }
        }
      }
    }
  },
}

interface TlsSetting {
  /** Of the mode. */
  readonly path: FieldPath
  readonly mode: string
  /** Of the service, where it is for one only. */
  readonly port?: number
  /** Labels of the pods, where it is for a subset only. */
  readonly subset?: Readonly<Record<string, string>>
}

/** Every place of a rule that says how clients are to encrypt. */
function tlsSettings({ spec }: DestinationRule): readonly TlsSetting[] {
  const settings: TlsSetting[] = []
  const policies = [
    { at: ['spec', 'trafficPolicy'] as FieldPath, policy: spec?.trafficPolicy, rest: {} },
    ...(spec?.subsets ?? []).map(({ trafficPolicy, labels = {} }, i) => ({
      at: ['spec', 'subsets', i, 'trafficPolicy'] as FieldPath,
      policy: trafficPolicy,
      rest: { subset: labels },
    })),
  ]
  for (const { at, policy, rest } of policies) {
    if (policy?.tls?.mode) settings.push({ path: [...at, 'tls', 'mode'], mode: policy.tls.mode, ...rest })
    for (const [i, { port, tls }] of (policy?.portLevelSettings ?? []).entries()) {
      if (!tls?.mode || port?.number === undefined) continue
      settings.push({
        path: [...at, 'portLevelSettings', i, 'tls', 'mode'],
        mode: tls.mode,
        port: port.number,
        ...rest,
      })
    }
  }
  return settings
}

interface Demand {
  /** Of the service. */
  readonly port: number
  /** Of the pod. */
  readonly target: number | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly mode: string
  readonly policy: MtlsPolicy
}

/** What each pod of a service demands on each of the service's ports. */
function demandsOf(snapshot: Snapshot, service: Service): readonly Demand[] {
  const { resource } = service
  if (!isKind(resource, 'core/Service') || !resource.spec?.selector) return []
  const ports = resource.spec.ports ?? []
  return podsWith(snapshot, resource.spec.selector, service.namespace).flatMap((pod) => {
    const policy = mtlsPolicies(snapshot).get(keyOf(pod.resource))
    if (!policy || !isKind(pod.resource, 'core/Pod')) return []
    return ports.map(({ port, targetPort = port }) => {
      const target = typeof targetPort === 'number' ? targetPort : containerPort(pod.resource, targetPort)
      const mode = target === undefined ? policy.mode : mtlsModeAt(policy, target)
      return { port, target, labels: pod.labels, mode, policy }
    })
  })
}

/** The policy that says what holds there: the most specific one that says anything. */
function decider({ policy, target }: Demand): string {
  const decides = policy.sources.find(({ spec }) => {
    const ofPort = target === undefined ? undefined : spec?.portLevelMtls?.[target]?.mode
    return [ofPort, spec?.mtls?.mode].some((mode) => mode !== undefined && mode !== 'UNSET')
  })
  return decides ? displayName(decides) : 'the default'
}

function containerPort(pod: object, name: string): number | undefined {
  const { spec } = pod as {
    spec?: { containers?: readonly { ports?: readonly { name?: string; containerPort: number }[] }[] }
  }
  return spec?.containers?.flatMap(({ ports }) => ports ?? []).find((port) => port.name === name)?.containerPort
}

function matches(
  wanted: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted ?? {}).every(([name, value]) => labels[name] === value)
}
