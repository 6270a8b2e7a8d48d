import type { LabelSelector, LabelSelectorRequirement } from './core.ts'

export type Labels = Readonly<Record<string, string>>

/**
 * Whether labels have every wanted key with the wanted value. An empty or absent map matches all: what `spec.selector` of
 * Istio's policies, `workloadSelector.labels` of its Sidecar and a subset's `labels` mean by it. In a Kubernetes Service
 * no selector means no pods: that is for the caller to say.
 */
export function matchesLabels(wanted: Labels | undefined, labels: Labels): boolean {
  for (const key in wanted) if (labels[key] !== wanted[key] || !Object.hasOwn(labels, key)) return false
  return true
}

/** Whether labels match a Kubernetes label selector (`matchLabels` and `matchExpressions`); an empty one matches all. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  return (
    matchesLabels(selector.matchLabels, labels) &&
    (selector.matchExpressions ?? []).every((expression) => matchesExpression(expression, labels))
  )
}

/** As in Kubernetes, `NotIn` matches objects that lack the key. An operator that there is not matches nothing. */
function matchesExpression({ key, operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default:
      return false
  }
}
