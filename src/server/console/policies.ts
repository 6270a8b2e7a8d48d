import type { Workload } from '../../mesh/model.ts'
import { mtlsPolicyOf } from '../../mesh/peer-authentication.ts'
import { authorizationPolicies, requestAuthentications } from '../../mesh/selected-policies.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { MtlsSummary, ObjectSay } from './answers.ts'
import { objectRef } from './object-ref.ts'

/** The policies in force for any of some workloads, each once. */
export function policiesOf(snapshot: Snapshot, some: readonly Workload[]): readonly ObjectSay[] {
  const says = some.flatMap((workload): ObjectSay[] => {
    const mtls = mtlsPolicyOf(snapshot, workload)
    const ports = Object.entries(mtls.ports).map(([port, mode]) => `${mode} on port ${port}`)
    return [
      ...mtls.sources.map((object) => ({
        ...objectRef(object),
        how: `asks clients for mutual TLS: ${[mtls.mode, ...ports].join(', ')}`,
      })),
      ...authorizationPolicies(snapshot, workload).map((policy) => ({
        ...objectRef(policy),
        how: `decides who may call: ${policy.spec?.action ?? 'ALLOW'}`,
      })),
      ...requestAuthentications(snapshot, workload).map((policy) => ({
        ...objectRef(policy),
        how: 'checks the tokens of requests',
      })),
    ]
  })
  return [...new Map(says.map((say) => [`${say.id} ${say.key}`, say])).values()]
}

/** What workloads ask of their clients, over all of their ports. */
export function mtlsSummary(snapshot: Snapshot, some: readonly Workload[]): MtlsSummary {
  const modes = some.flatMap((workload) => {
    const { mode, ports } = mtlsPolicyOf(snapshot, workload)
    return [mode, ...Object.values(ports)]
  })
  return summaryOf(modes)
}

export function summaryOf(modes: Iterable<string>): MtlsSummary {
  const [mode, ...others] = new Set(modes)
  if (mode === undefined) return 'none'
  if (others.length > 0) return 'mixed'
  return mode === 'STRICT' ? 'strict' : mode === 'DISABLE' ? 'disabled' : 'permissive'
}
