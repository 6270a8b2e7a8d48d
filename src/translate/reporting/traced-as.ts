import type { WorkloadNames } from '../../mesh/workload-names.ts'

/**
 * The environment by which a proxy's spans say whose they are, in OpenTelemetry's names.
 * @param namespace may be a variable of Kubernetes, such as `$(POD_NAMESPACE)`
 */
export function tracedAs(names: WorkloadNames, namespace: string): Readonly<Record<string, string>> {
  const attributes = {
    'service.name': names.canonicalService || names.workload || 'unknown',
    'service.version': names.version,
    'service.namespace': namespace,
    'k8s.namespace.name': namespace,
    'k8s.deployment.name': names.workload,
  }
  const told = Object.entries(attributes).filter(([, value]) => value !== '')
  return { OTEL_RESOURCE_ATTRIBUTES: told.map(([name, value]) => `${name}=${value}`).join(',') }
}
