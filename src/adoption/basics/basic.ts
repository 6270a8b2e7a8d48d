import {
  type AppWorkload,
  type Estate,
  type EstateKind,
  type EstateObject,
  isServer,
  nameOf,
  whyUnread,
  workloadsOf,
} from '../estate/estate.ts'

/** Something of Kubernetes that should be in place before a mesh comes, and can be seen object by object. */
export interface Basic {
  /** Stable, in kebab case. */
  readonly id: string
  /** What should hold, as a sentence without a full stop. */
  readonly about: string
  /** Why it matters to a mesh. */
  readonly why: string
  /** What to do with an object that fails: an imperative sentence without a full stop. */
  readonly remedy: string
  /** Which item of the CIS Kubernetes Benchmark it is, where it is one. */
  readonly cis?: string
  /** What must be readable to tell. */
  readonly kinds: readonly EstateKind[]
  /** Every object that it is about, with what is wrong with it, if anything. */
  look(estate: Estate): readonly Looked[]
}

interface Looked {
  /** `Deployment shop/cart`. */
  readonly object: string
  /** What is wrong; absent where it is right. */
  readonly problem?: string
}

/** What came of looking. */
export interface BasicResult {
  readonly basic: Basic
  readonly checked: number
  readonly failing: readonly { readonly object: string; readonly problem: string }[]
  /** Why nothing can be told; absent where it can. */
  readonly unknown?: string
}

/** Looks at every object that a basic is about. Where its kinds could not be read, or there is none, nothing is told. */
export function lookAt(basic: Basic, estate: Estate): BasicResult {
  const unread = whyUnread(estate, basic.kinds)
  if (unread !== undefined) return { basic, checked: 0, failing: [], unknown: unread }
  const looked = basic.look(estate)
  if (looked.length === 0) return { basic, checked: 0, failing: [], unknown: 'there is nothing of the kind to look at' }
  const failing = looked.flatMap(({ object, problem }) => (problem === undefined ? [] : [{ object, problem }]))
  return { basic, checked: looked.length, failing }
}

/** The part of the objects that are right, from 0 to 1. */
export function shareRight({ checked, failing }: BasicResult): number {
  return checked === 0 ? 0 : (checked - failing.length) / checked
}

/** What is true of every workload that serves, or is not. */
export function ofWorkloads(wrong: (workload: AppWorkload, estate: Estate) => string | undefined): Basic['look'] {
  return (estate) =>
    workloadsOf(estate)
      .filter(isServer)
      .map((workload) => looked(nameOf(workload.object), wrong(workload, estate)))
}

/** An object that was looked at. */
export function looked(object: EstateObject | string, problem: string | undefined): Looked {
  const name = typeof object === 'string' ? object : nameOf(object)
  return problem === undefined ? { object: name } : { object: name, problem }
}

/** What to read for workloads. */
export const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Pod'] as const satisfies readonly EstateKind[]

/** Names of those containers of a workload of which something holds, quoted and joined; undefined where of none. */
export function containersWhere(
  { template }: AppWorkload,
  holds: (container: ContainerFields) => boolean,
): string | undefined {
  const containers = (template.spec?.containers ?? []) as readonly ContainerFields[]
  const names = containers.filter(holds).map(({ name }) => `"${name}"`)
  return names.length === 0 ? undefined : names.join(', ')
}

/** Of a container, what the basics look at. */
export interface ContainerFields {
  readonly name: string
  readonly image?: string
  readonly resources?: {
    readonly requests?: Readonly<Record<string, unknown>>
    readonly limits?: Readonly<Record<string, unknown>>
  }
  readonly readinessProbe?: unknown
  readonly livenessProbe?: unknown
  readonly securityContext?: {
    readonly privileged?: boolean
    readonly allowPrivilegeEscalation?: boolean
    readonly runAsNonRoot?: boolean
    readonly runAsUser?: number
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] }
    readonly seccompProfile?: { readonly type?: string }
  }
}
