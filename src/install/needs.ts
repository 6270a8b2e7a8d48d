import { SERVER_NAME } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { type Check, type Finding, ok } from './finding.ts'
import type { Values } from './template.ts'
import { storageClassFor } from './volumes.ts'

/** What some settings need of a cluster that others do not, by what it is about. */
export const NEEDS: Readonly<Record<string, Check>> = { autoscaling, state, monitoring }

async function autoscaling(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  if (!values['server.autoscaling']) return []
  const subject = 'autoscaling'
  if (await serves(server, 'metrics.k8s.io')) return [ok(subject, 'metrics of pods are there')]
  return [
    {
      severity: 'warning',
      subject,
      text: `nobody serves metrics of pods, without which ${SERVER_NAME} is not scaled`,
      remedy: 'install metrics-server, or --set server.autoscaling=false',
    },
  ]
}

async function monitoring(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  if (!values['monitoring.prometheusOperator']) return []
  const subject = 'monitoring'
  if (await serves(server, 'monitoring.coreos.com'))
    return [ok(subject, 'the kinds of the Prometheus operator are there')]
  return [
    {
      severity: 'error',
      subject,
      text: 'PodMonitors and a PrometheusRule are wanted, and the cluster has no such kinds',
      remedy: 'install the Prometheus operator first, or --set monitoring.prometheusOperator=false',
    },
  ]
}

async function serves(server: ApiServer, group: string): Promise<boolean> {
  const { groups = [] } = (await server.send({ method: 'GET', path: '/apis' })) as {
    readonly groups?: readonly { readonly name: string }[]
  }
  return groups.some(({ name }) => name === group)
}

/** Where telemetry, evidence, objectives and alerts are. */
async function state(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  const subject = 'state'
  const size = values['server.storageSize']
  if (!size)
    return [ok(subject, 'telemetry, evidence and alerts go with the pods of servers; server.storageSize keeps them')]
  const found = await storageClassFor(server, String(values['server.storageClassName']))
  if ('name' in found) return [ok(subject, `on volumes of ${size}, StorageClass ${found.name}`)]
  return [{ severity: 'error', subject, text: found.problem, remedy: found.remedy }]
}
