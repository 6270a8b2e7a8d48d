import { BASICS } from '../basics/all.ts'
import { type Basic, lookAt, shareRight } from '../basics/basic.ts'
import type { Estate } from '../estate/estate.ts'
import type { Question, Seen } from './questionnaire.ts'

/** A question about a basic of Kubernetes, which a cluster or YAML answers object by object. */
function askBasic(basic: Basic, weight: Question['weight']): Question {
  return {
    id: basic.id,
    ask: `Is it so that ${basic.about}?`,
    why: basic.cis === undefined ? basic.why : `${basic.why} (CIS Kubernetes Benchmark ${basic.cis})`,
    weight,
    answers: { kind: 'yes-no' },
    task: `Have it so that ${basic.about}: ${basic.remedy}`,
    seen: `every object is looked at (${basic.kinds.join(', ')})`,
    see: (estate) => seenBasic(basic, estate),
  }
}

/** From which part of all objects on it counts as `yes`, and as `partly`. */
const YES = 0.95
const PARTLY = 0.5

function seenBasic(basic: Basic, estate: Estate): Seen | undefined {
  const result = lookAt(basic, estate)
  if (result.unknown !== undefined) return undefined
  const { checked, failing } = result
  const share = shareRight(result)
  return {
    answer: share >= YES ? 'yes' : share >= PARTLY ? 'partly' : 'no',
    says: `it holds for ${checked - failing.length} of ${checked} in ${estate.label}`,
    objects: failing,
  }
}

/** How much each basic counts; 1 where not said. */
const WEIGHTS: Readonly<Record<string, Question['weight']>> = {
  'resource-requests': 3,
  'disruption-budgets': 3,
  'several-replicas': 2,
  'readiness-probes': 3,
  'network-policies': 2,
  'own-service-account': 3,
  'own-namespaces': 2,
  quotas: 2,
}

export const BASIC_QUESTIONS: readonly Question[] = BASICS.map((basic) => askBasic(basic, WEIGHTS[basic.id] ?? 1))

/** API groups that give a tool for metrics and alerts away. */
const MONITORING = new Map([
  ['monitoring.coreos.com', 'the Prometheus operator'],
  ['operator.victoriametrics.com', 'VictoriaMetrics'],
  ['monitoring.googleapis.com', "Google's managed Prometheus"],
  ['datadoghq.com', 'Datadog'],
])
const OBSERVING = new Map([
  ['opentelemetry.io', 'the OpenTelemetry operator'],
  ['jaegertracing.io', 'Jaeger'],
  ['tempo.grafana.com', 'Tempo'],
  ['loki.grafana.com', 'Loki'],
])
const DELIVERY = new Map([
  ['argoproj.io', 'Argo CD or Rollouts'],
  ['kustomize.toolkit.fluxcd.io', 'Flux'],
  ['tekton.dev', 'Tekton'],
])

const byGroups =
  (tools: ReadonlyMap<string, string>, answer: string) =>
  (estate: Estate): Seen | undefined => {
    const found = [...tools].filter(([group]) => estate.groups.includes(group)).map(([, name]) => name)
    if (found.length === 0) return undefined
    return { answer, says: `${found.join(' and ')} ${found.length === 1 ? 'is' : 'are'} in ${estate.label}` }
  }

export const monitoringTools = byGroups(MONITORING, 'some')
export const observingTools = byGroups(OBSERVING, 'partly')
export const deliveryTools = byGroups(DELIVERY, 'yes')

/** Whether anybody says who may call whom, or that traffic must be encrypted. */
export function encryptionRules(estate: Estate): Seen | undefined {
  const rules = estate.objects.filter(({ kind }) => kind === 'PeerAuthentication' || kind === 'AuthorizationPolicy')
  if (rules.length === 0) return undefined
  return { answer: 'required', says: `there are ${rules.length} policies of a mesh already` }
}
