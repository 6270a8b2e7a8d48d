import type { PodTemplate } from '../resources/core.ts'
import { type Fields, isFields } from '../resources/fields.ts'

type Path = readonly string[]

/** Where kinds have their pods' template, by `group/Kind`. */
const TEMPLATES: Readonly<Record<string, Path>> = {
  '/Pod': [],
  '/PodTemplate': ['template'],
  '/ReplicationController': ['spec', 'template'],
  'apps/Deployment': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  'batch/Job': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
}

/** An object that makes pods, or is one. */
export interface Workload {
  readonly kind: string
  readonly name: string
  /** Absent where it names none. */
  readonly namespace?: string
  /** Where in the object its template is. */
  readonly path: Path
  readonly template: PodTemplate
}

/** Undefined for what makes no pods. */
export function workloadOf(object: unknown): Workload | undefined {
  if (!isFields(object) || typeof object['kind'] !== 'string' || typeof object['apiVersion'] !== 'string')
    return undefined
  const { kind, apiVersion } = object
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  const path = TEMPLATES[`${group}/${kind}`]
  if (!path) return undefined
  const template = path.reduce<unknown>((value, field) => (isFields(value) ? value[field] : undefined), object)
  if (!isTemplate(template)) return undefined
  const metadata = isFields(object['metadata']) ? object['metadata'] : {}
  const [name, namespace] = [metadata['name'] ?? metadata['generateName'], metadata['namespace']]
  return {
    kind,
    name: typeof name === 'string' ? name : '',
    ...(typeof namespace === 'string' && namespace !== '' ? { namespace } : {}),
    path,
    template,
  }
}

/** Whether all that injection looks into has the right shape: a proper API server sees to it, a file may hold anything. */
function isTemplate(value: unknown): value is PodTemplate {
  if (!isFields(value) || !isFields(value['spec'])) return false
  const { containers, initContainers = [] } = value['spec'] as Fields
  return [containers, initContainers].every(
    (list) => Array.isArray(list) && list.every((each) => isFields(each) && typeof each['name'] === 'string'),
  )
}
