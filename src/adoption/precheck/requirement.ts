import type { AppWorkload, Estate } from '../estate/estate.ts'

/** Something that pods must hold to in a mesh. */
export interface Requirement {
  /** Stable, in kebab case. */
  readonly id: string
  /** What is looked at, as a noun. */
  readonly about: string
  /** What must hold, and where that is documented. */
  readonly holds: string
  /** What is wrong with a workload; nothing where it is right. */
  look(workload: AppWorkload, estate: Estate): readonly Found[]
}

export interface Found {
  /** `error`: it will not work. `warning`: it may not, or not as meant. `info`: to be looked at by somebody who knows the application. */
  readonly severity: 'error' | 'warning' | 'info'
  /** A sentence without a full stop. */
  readonly problem: string
  /** An imperative sentence without a full stop. */
  readonly remedy: string
}

/** Of a container, what requirements look at. */
export interface PodContainer {
  readonly name: string
  readonly image?: string
  readonly args?: readonly unknown[]
  readonly command?: readonly unknown[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly ports?: readonly {
    readonly containerPort: number
    readonly name?: string
    readonly protocol?: string
    readonly hostPort?: number
  }[]
  readonly restartPolicy?: string
  readonly readinessProbe?: Probe
  readonly livenessProbe?: Probe
  readonly startupProbe?: Probe
  readonly lifecycle?: { readonly postStart?: object; readonly preStop?: object }
  readonly securityContext?: {
    readonly runAsUser?: number
    readonly runAsGroup?: number
    readonly capabilities?: { readonly add?: readonly string[] }
  }
}

export interface Probe {
  readonly httpGet?: { readonly port: number | string; readonly scheme?: string; readonly host?: string }
  readonly tcpSocket?: { readonly port: number | string }
  readonly grpc?: { readonly port: number }
  readonly exec?: object
}

export interface PodFields {
  readonly containers?: readonly PodContainer[]
  readonly initContainers?: readonly PodContainer[]
  readonly hostNetwork?: boolean
  readonly dnsPolicy?: string
  readonly serviceAccountName?: string
  readonly terminationGracePeriodSeconds?: number
  readonly securityContext?: { readonly runAsUser?: number; readonly runAsGroup?: number }
}

/** The pod's spec, as it was written. */
export function podOf({ template }: AppWorkload): PodFields {
  return (template.spec ?? {}) as unknown as PodFields
}

/** Containers that stay, native sidecars among them. */
export function runningContainers(pod: PodFields): readonly PodContainer[] {
  return [
    ...(pod.containers ?? []),
    ...(pod.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
  ]
}

/** Init containers that end before the application starts. */
export function initContainers(pod: PodFields): readonly PodContainer[] {
  return (pod.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy !== 'Always')
}
