import type { ApplicationSpec } from '../../resources/adoption.ts'
import { KINDS } from '../../resources/kinds.ts'
import { fieldText, type Message } from '../../resources/message.ts'
import { validate } from '../../resources/validate.ts'
import type { AdoptionRule } from '../rules.ts'

/** What is known of an application, before it is written down. */
export interface Draft {
  readonly name: string
  /** Absent where the source does not know: then that of the workload of its name counts. */
  readonly namespace?: string
  readonly spec: Partial<ApplicationSpec>
}

/** What a source of applications gives. */
export interface Drafts {
  readonly drafts: readonly Draft[]
  /** Names of teams that the source knows of; absent where it does not list teams. */
  readonly teams?: readonly string[]
  readonly messages: readonly Message[]
}

export type Workload = ApplicationSpec['workloads'][number]

/** `Deployment/cart`. */
export function workloadText({ kind = 'Deployment', name }: Workload): string {
  return `${kind}/${name}`
}

/** What the schema of Applications finds wrong with a draft, the first of it; undefined where it is right. */
export function draftProblem({ name, spec }: Draft): string | undefined {
  const whole = { workloads: [{ name }], ...spec }
  const object = { apiVersion: 'adoption.weft.dev/v1alpha1', kind: 'Application', metadata: { name }, spec: whole }
  const [first] = validate(KINDS['adoption.weft.dev/Application'], object)
  return first && `${fieldText(first.path)}: ${first.problem}; ${first.remedy}`
}

/** A message of this room. */
export function tell(
  rule: AdoptionRule,
  severity: Message['severity'],
  rest: Omit<Message, 'rule' | 'severity'>,
): Message {
  return { rule, severity, ...rest }
}

/** `shop/cart` as a name of an object: what Kubernetes takes, else undefined. */
export function objectName(text: string): string | undefined {
  const name = text
    .trim()
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
  return name === '' || name.length > 253 ? undefined : name
}
