import type { AppWorkload, Estate } from '../estate/estate.ts'
import * as pods from './pods.ts'
import * as ports from './ports.ts'
import type { Found, Requirement } from './requirement.ts'

/** What pods must hold to: https://istio.io/latest/docs/ops/deployment/application-requirements/ and what Weft adds. */
export const REQUIREMENTS: readonly Requirement[] = [
  ports.IN_A_SERVICE,
  ports.NAMED_PORTS,
  ports.ONE_PROTOCOL,
  ports.REACHED_PORTS,
  ports.FREE_PORTS,
  ports.HOST_PORTS,
  ports.SERVER_FIRST,
  ports.UDP_PORTS,
  ports.OWN_TLS,
  pods.NOT_THE_PROXYS_USER,
  pods.OWN_NETWORK,
  pods.LABELS,
  pods.IDENTITY,
  pods.NOT_OPTED_OUT,
  pods.ONE_PROXY,
  pods.PROBES,
  pods.INIT_CONTAINERS,
  pods.START_AND_END,
  pods.CALLS_BY_NAME,
]

/** What a requirement came to for one workload. */
export interface Checked {
  readonly requirement: Requirement
  /** `Deployment/cart`. */
  readonly workload: string
  readonly found: readonly Found[]
}

/** Looks at every requirement of these workloads. */
export function precheckWorkloads(workloads: readonly AppWorkload[], estate: Estate): readonly Checked[] {
  return workloads.flatMap((workload) =>
    REQUIREMENTS.map((requirement) => ({
      requirement,
      workload: `${workload.kind}/${workload.name}`,
      found: requirement.look(workload, estate),
    })),
  )
}
