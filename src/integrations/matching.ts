import { ROOT_NAMESPACE } from '../mesh/visibility.ts'
import type { AlertMatch, Silence } from '../resources/observability.ts'
import { keyOf, type Resource } from '../resources/resource.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'

/** Whether an object that names alerts, a receiver or a silence, means this one: outside of the root namespace only those of its own namespace. */
export function means({ metadata }: Resource, match: AlertMatch | undefined, alert: Alert): boolean {
  const { namespace = 'default' } = metadata
  if (namespace !== ROOT_NAMESPACE && alert.rule.namespace !== namespace) return false
  const { severities, rules, namespaces, labels = {} } = match ?? {}
  return (
    (!severities?.length || severities.includes(alert.severity)) &&
    (!rules?.length || rules.includes(alert.rule.name)) &&
    (!namespaces?.length || namespaces.includes(alert.labels['namespace'] ?? '')) &&
    Object.entries(labels).every(([name, value]) => alert.labels[name] === value)
  )
}

/** The silence that keeps an alert quiet at a moment: `namespace/name`; undefined where none does. */
export function silencedBy(silences: Iterable<Silence>, alert: Alert, now: number): string | undefined {
  for (const silence of silences)
    if (isActive(silence, now) && means(silence, silence.spec?.match, alert)) return keyOf(silence)
  return undefined
}

/** Whether a silence counts at a moment. */
export function isActive({ spec }: Silence, now: number): boolean {
  if (!spec) return false
  const from = spec.from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(spec.from)
  return now >= from && now < Date.parse(spec.until)
}
