import { type EstateObject, isServer, objectsOf, selects, workloadsOf } from '../estate/estate.ts'
import { type Basic, containersWhere, looked, ofWorkloads, WORKLOADS } from './basic.ts'

export const RESOURCE_REQUESTS: Basic = {
  id: 'resource-requests',
  about: 'every container requests CPU and memory',
  why: 'A proxy beside each pod adds to what a node holds: without requests nobody can tell whether it still fits.',
  remedy: 'set resources.requests for cpu and memory',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const names = containersWhere(
      workload,
      ({ resources }) => resources?.requests?.['cpu'] === undefined || resources.requests['memory'] === undefined,
    )
    return names && `container ${names} does not request both cpu and memory`
  }),
}

export const MEMORY_LIMITS: Basic = {
  id: 'memory-limits',
  about: 'every container has a limit of memory',
  why: 'A container that takes all memory of a node takes the proxies of its neighbours with it.',
  remedy: 'set resources.limits.memory',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const names = containersWhere(workload, ({ resources }) => resources?.limits?.['memory'] === undefined)
    return names && `container ${names} has no limit of memory`
  }),
}

export const QUOTAS: Basic = {
  id: 'quotas',
  about: 'every namespace of applications has a ResourceQuota',
  why: 'A rollout with proxies must not take the room of other teams. Where a quota is tight, injected pods are refused: better to know before.',
  remedy: 'add a ResourceQuota with room for the proxies (see weft adopt capacity)',
  kinds: ['ResourceQuota', ...WORKLOADS],
  look: (estate) => {
    const having = new Set(objectsOf(estate, 'ResourceQuota').map(({ metadata }) => metadata.namespace))
    const namespaces = new Set(workloadsOf(estate).map(({ namespace }) => namespace))
    return [...namespaces].map((name) =>
      looked(`Namespace ${name}`, having.has(name) ? undefined : 'it has no ResourceQuota'),
    )
  },
}

export const AUTOSCALING: Basic = {
  id: 'autoscaling',
  about: 'every Deployment is scaled by a HorizontalPodAutoscaler, or says its replicas',
  why: 'Proxies add CPU to every pod: an autoscaler absorbs that, a fixed number of pods has to be looked at by somebody.',
  remedy: 'add a HorizontalPodAutoscaler, or set spec.replicas on purpose',
  kinds: ['HorizontalPodAutoscaler', 'Deployment'],
  look: (estate) => {
    const scaled = new Set(
      objectsOf(estate, 'HorizontalPodAutoscaler').map((object) => {
        const { kind, name } =
          (object['spec'] as { scaleTargetRef?: { kind?: string; name?: string } })?.scaleTargetRef ?? {}
        return `${object.metadata.namespace}/${kind}/${name}`
      }),
    )
    return workloadsOf(estate)
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ kind, name, namespace, replicas, object }) =>
        looked(
          object,
          scaled.has(`${namespace}/${kind}/${name}`) || (replicas !== undefined && replicas > 1)
            ? undefined
            : 'no HorizontalPodAutoscaler scales it, and it does not ask for several replicas',
        ),
      )
  },
}

export const DISRUPTION_BUDGETS: Basic = {
  id: 'disruption-budgets',
  about: 'every workload of several replicas has a PodDisruptionBudget',
  why: 'To join the mesh every pod is replaced, and upgrades of the mesh and of nodes replace them again: a budget keeps enough of them up.',
  remedy: 'add a PodDisruptionBudget that selects its pods',
  kinds: ['PodDisruptionBudget', ...WORKLOADS],
  look: (estate) => {
    const budgets = objectsOf(estate, 'PodDisruptionBudget')
    return workloadsOf(estate)
      .filter((workload) => isServer(workload) && workload.kind !== 'DaemonSet' && workload.kind !== 'Pod')
      .map(({ namespace, template, object }) =>
        looked(
          object,
          budgets.some((budget) => isOf(budget, namespace, template.metadata?.labels ?? {}))
            ? undefined
            : 'no PodDisruptionBudget selects its pods',
        ),
      )
  },
}

function isOf(budget: EstateObject, namespace: string, labels: Readonly<Record<string, string>>): boolean {
  const { selector } = (budget['spec'] ?? {}) as { selector?: Parameters<typeof selects>[0] }
  return budget.metadata.namespace === namespace && selects(selector, labels)
}

export const SEVERAL_REPLICAS: Basic = {
  id: 'several-replicas',
  about: 'every Deployment and StatefulSet has two replicas or more',
  why: 'Its pods are replaced one after the other when it joins: with one replica the only other way out is luck.',
  remedy: 'set spec.replicas to 2 or more, or add an autoscaler with minReplicas of 2',
  kinds: ['Deployment', 'StatefulSet', 'HorizontalPodAutoscaler'],
  look: (estate) => {
    const least = new Map(
      objectsOf(estate, 'HorizontalPodAutoscaler').map((object) => {
        const { scaleTargetRef = {}, minReplicas = 1 } = (object['spec'] ?? {}) as {
          scaleTargetRef?: { kind?: string; name?: string }
          minReplicas?: number
        }
        return [`${object.metadata.namespace}/${scaleTargetRef.kind}/${scaleTargetRef.name}`, minReplicas]
      }),
    )
    return workloadsOf(estate)
      .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
      .map(({ kind, name, namespace, replicas = 1, object }) => {
        const count = Math.max(replicas, least.get(`${namespace}/${kind}/${name}`) ?? 0)
        return looked(object, count >= 2 ? undefined : `it has ${count === 0 ? 'no replicas' : 'one replica'}`)
      })
  },
}

export const PROBES: Basic = {
  id: 'readiness-probes',
  about: 'every container that serves has a readiness probe',
  why: 'A rollout with proxies goes on when pods say that they are ready: without a probe that is too early.',
  remedy: 'add a readinessProbe (it keeps working under STRICT: Weft leads probes through the proxy)',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const ports = (workload.template.spec?.containers ?? []).filter(({ ports = [] }) => ports.length > 0)
    if (ports.length === 0) return undefined
    const names = containersWhere(
      workload,
      ({ name, readinessProbe }) => readinessProbe === undefined && ports.some((container) => container.name === name),
    )
    return names && `container ${names} has ports and no readiness probe`
  }),
}
