import type { PodTemplate } from '../../../resources/core.ts'
import { type AppWorkload, type EstateObject, isServer, objectsOf } from '../../estate/estate.ts'
import { precheckWorkloads } from '../../precheck/precheck.ts'
import { dependents } from '../dependents.ts'
import { canaryName, ownInstances } from '../look.ts'
import type { Finding } from '../onboarding.ts'
import { CANARY_LABEL, enforcedPolicies, hostsOf, ownMetadata, podLabels } from '../rules.ts'
import type { Step, View } from '../step.ts'
import { nameText } from '../writing.ts'
import { hasFirstInstance, isInPlace, rollsInPlace, withAllInstances, withFirstInstance } from './first-in-place.ts'
import { requiresMutualTls } from './mutual-tls.ts'

/** What asks for a proxy, in the labels of a pod; Weft's own counts before Istio's. */
const INJECT = 'sidecar.istio.io/inject'
const OWN_INJECT = 'weft.dev/inject'

/** One more instance of each workload, with a proxy, or the first of those that are made anew in place: it takes its share of what comes, and goes at the first sign of trouble. */
export const PROXY_CANARY: Step = {
  name: 'proxy-canary',
  title: 'a first instance with a proxy',

  async gate(view) {
    return [...running(view), ...prechecked(view), ...withoutPolicies(view), ...rollsWell(view)]
  },

  async propose(view) {
    const bare = withoutProxy(view)
    if (bare.length === 0) return { nothing: 'all its instances have proxies already' }
    const application = view.onboarding.spec.application
    const put = bare.flatMap((each) => {
      if (each.kind === 'Deployment') return [canaryOf(each, application)]
      return isInPlace(each) ? [withFirstInstance(each, withLabel(each.object))] : []
    })
    return { put, remove: [], findings: [] }
  },

  // A canary that answers errors, or to whom no connection comes through, is told by its first.
  telltales: ['UF', 'UH', 'UPE', 'DPE'],

  check: (view, since) => steadyInstances(view, since),
}

/** Proxies at all instances: the Deployment starts each with one before it ends one without. */
export const PROXIES: Step = {
  name: 'proxies',
  title: 'proxies at all instances',

  async gate(view) {
    return [...running(view), ...prechecked(view), ...withoutPolicies(view), ...rollsWell(view)]
  },

  async propose(view) {
    const bare = withoutProxy(view)
    const put = view.workloads
      .filter((each) => bare.includes(each) || hasFirstInstance(view, each))
      .map((each) => withAllInstances(view, each, withLabel(each.object)))
    if (put.length === 0) return { nothing: 'all its instances have proxies already' }
    return { put, remove: [], findings: [] }
  },

  telltales: ['UH', 'UPE', 'DPE'],

  check: (view, since) => steadyInstances(view, since),

  async tidy(view) {
    const canaries = view.estate.objects.filter(
      ({ kind, metadata }) =>
        kind === 'Deployment' &&
        view.workloads.some((each) => canaryName(each.name) === metadata.name && each.namespace === metadata.namespace),
    )
    return { put: [], remove: canaries }
  },

  // Instances that were made anew in place do not become old ones again by a partition.
  undoneWith: (view) => (view.workloads.some((each) => hasFirstInstance(view, each)) ? 'proxy-canary' : 'proxies'),

  async undoGate(view) {
    const hosts = hostsOf(view).filter(({ host }) => requiresMutualTls(view, host))
    return [
      ...hosts.map(({ host }) => ({
        holds: false,
        says: `callers of ${host} are told to use mutual TLS, which it takes by its proxies only`,
        remedy: 'undo mutual-tls first',
      })),
      ...(await dependents(view)),
    ]
  },
}

/** Workloads with an instance that has no proxy, and those of which no instance is known. */
function withoutProxy(view: View): readonly AppWorkload[] {
  return view.workloads.filter((each) => {
    const instances = instancesOf(view, each)
    return isServer(each) && (instances.length === 0 || instances.some(({ hasProxy }) => !hasProxy))
  })
}

function instancesOf(view: View, { name }: AppWorkload): View['instances'] {
  return ownInstances(view).filter(({ workload }) => workload.name === name)
}

/** Where nothing runs nobody can see how it takes a proxy; where nothing is known to run, as just after a start of the server, even less. */
function running(view: View): readonly Finding[] {
  return view.workloads
    .filter((each) => isServer(each) && instancesOf(view, each).length === 0)
    .map((each) => ({
      holds: false,
      says: `no instance of ${each.kind}/${each.name} is known to run`,
      remedy: 'start one, or take it out of the Application',
    }))
}

function prechecked({ workloads, estate }: View): readonly Finding[] {
  const closed = objectsOf(estate, 'Namespace').filter(
    ({ metadata: { name, labels = {} } }) =>
      workloads.some(({ namespace }) => namespace === name) &&
      (labels['istio-injection'] === 'disabled' || labels[OWN_INJECT] === 'false'),
  )
  if (closed.length > 0)
    return closed.map(({ metadata: { name } }) => ({
      holds: false,
      says: `Namespace ${name} is labelled so that no pod of it gets a proxy, whatever the pod says`,
      remedy:
        'take that label away; pods that must not have one yet can say so themselves: sidecar.istio.io/inject: "false"',
    }))
  // As they will be: what says now that there is to be no proxy is what the step changes.
  const asked = workloads.map((each) => ({ ...each, template: asking(each.template) }))
  const wrong = precheckWorkloads(asked, estate).flatMap(({ workload, found }) =>
    found
      .filter(({ severity }) => severity === 'error')
      .map(({ problem, remedy }): Finding => ({ holds: false, says: `${workload}: ${problem}`, remedy })),
  )
  return wrong.length > 0 ? wrong : [{ holds: true, says: 'nothing of it is known to suffer from a proxy' }]
}

/** Policies that begin to count with the proxy would refuse who comes in plaintext, as everybody does before it. */
function withoutPolicies(view: View): readonly Finding[] {
  return withoutProxy(view).flatMap((workload) =>
    enforcedPolicies(view, workload).map((rule) => ({
      holds: false,
      says: `${nameText(rule)} would begin to count for ${workload.name} with its proxy`,
      remedy: 'let it be tried dry (annotation istio.io/dry-run), or take it away until then',
    })),
  )
}

function rollsWell(view: View): readonly Finding[] {
  return view.workloads.flatMap((each) => (isInPlace(each) ? rollsInPlace(view, each) : rollsBeside(each)))
}

function rollsBeside({ kind, name, object, replicas = 1 }: AppWorkload): readonly Finding[] {
  if (kind === 'Job' || kind === 'CronJob') return []
  if (kind === 'Pod')
    return [
      {
        holds: false,
        says: `pod ${name} is of no Deployment: it can't be replaced by one with a proxy`,
        remedy: 'write a Deployment for it',
      },
    ]
  const { strategy } = (object['spec'] ?? {}) as {
    readonly strategy?: {
      readonly type?: string
      readonly rollingUpdate?: { readonly maxUnavailable?: number | string }
    }
  }
  if (strategy?.type === 'Recreate')
    return [
      {
        holds: false,
        says: `${kind} ${name} ends all instances before it starts new ones (strategy Recreate)`,
        remedy:
          'set spec.strategy.type to RollingUpdate, or add its proxies while it may be down and leave this step out',
      },
    ]
  const most = strategy?.rollingUpdate?.maxUnavailable
  if (most === '100%' || (typeof most === 'number' && most >= replicas))
    return [
      {
        holds: false,
        says: `${kind} ${name} may end all ${replicas} instances at once (maxUnavailable ${most})`,
        remedy: 'set spec.strategy.rollingUpdate.maxUnavailable to 0',
      },
    ]
  return []
}

/** Whether every instance is ready, and none had to be started again. */
async function steadyInstances(view: View, since: number): Promise<readonly Finding[]> {
  const own = ownInstances(view)
  const unready = own.filter(({ hasProxy, ready }) => hasProxy && !ready)
  const says = `${own.filter(({ hasProxy }) => hasProxy).length} of ${own.length} instances have a proxy`
  if (unready.length === 0) return [{ holds: true, says }]
  return unready.map(({ name, restarts }) => ({
    holds: false,
    says: `${name} is not ready with its proxy${restarts > 0 ? `, and was started again ${restarts} times` : ''}`,
    remedy: `look with: weft logs, and at what it says since ${new Date(since).toISOString()}`,
  }))
}

interface Templated {
  readonly template: PodTemplate
  readonly [field: string]: unknown
}

/** The object with a template that asks for a proxy. */
function withLabel(object: EstateObject): EstateObject {
  const spec = object['spec'] as Templated
  return { ...object, spec: { ...spec, template: asking(spec.template) } }
}

function asking(template: PodTemplate, more: Readonly<Record<string, string>> = {}): PodTemplate {
  const { labels = {} } = template.metadata ?? {}
  const key = OWN_INJECT in labels ? OWN_INJECT : INJECT
  return { ...template, metadata: { ...template.metadata, labels: { ...labels, ...more, [key]: 'true' } } }
}

/** A Deployment of one instance beside the workload's own, before the same Services. */
function canaryOf(workload: AppWorkload, application: string): EstateObject {
  const spec = workload.object['spec'] as Templated
  const { name: _, ...metadata } = ownMetadata(application, '')
  return {
    apiVersion: workload.object.apiVersion,
    kind: 'Deployment',
    metadata: { ...metadata, name: canaryName(workload.name) },
    spec: {
      ...spec,
      replicas: 1,
      selector: { matchLabels: { ...podLabels(workload), [CANARY_LABEL]: 'true' } },
      template: asking(spec.template, { [CANARY_LABEL]: 'true' }),
    },
  }
}
