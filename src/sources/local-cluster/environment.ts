import type { ConfigMap, Container, EnvironmentVariable, Secret, Service } from '../../resources/core.ts'
import type { FieldPath } from '../../resources/resource.ts'
import { localPortOf } from './services.ts'

/** What `valueFrom.fieldRef` may ask a pod for. */
export interface PodFacts {
  readonly name: string
  readonly namespace: string
  readonly address: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly nodeName: string
}

/** Finds a ConfigMap or Secret in the pod's namespace. */
export interface ConfigLookup {
  readonly configMap: (name: string) => ConfigMap | undefined
  readonly secret: (name: string) => Secret | undefined
}

export interface EnvironmentProblem {
  /** In the container. */
  readonly path: FieldPath
  readonly problem: string
  readonly remedy: string
}

/**
 * The variables of a container's `envFrom` and `env`, later ones over earlier ones, with `$(NAME)` put in as Kubernetes does it: `$$(NAME)`
 * stays `$(NAME)`, an unknown name stays as it is. What cannot be given is left out and told.
 */
export function containerEnvironment(
  container: Container,
  base: Readonly<Record<string, string>>,
  facts: PodFacts,
  lookup: ConfigLookup,
): { env: Record<string, string>; problems: EnvironmentProblem[] } {
  const env: Record<string, string> = { ...base }
  const problems: EnvironmentProblem[] = []
  container.envFrom?.forEach((source, i) => {
    const { configMapRef, secretRef, prefix = '' } = source
    const data = configMapRef
      ? lookup.configMap(configMapRef.name ?? '')?.data
      : secretRef && decoded(lookup.secret(secretRef.name ?? ''))
    for (const [name, value] of Object.entries(data ?? {})) env[prefix + name] = value
    const reference = configMapRef ?? secretRef
    if (data || !reference || reference.optional) return
    problems.push(missing(['envFrom', i], configMapRef ? 'ConfigMap' : 'Secret', reference.name ?? ''))
  })
  container.env?.forEach((variable, i) => {
    const value = variable.valueFrom ? valueFrom(variable, facts, lookup) : expanded(variable.value ?? '', env)
    if (typeof value === 'string') env[variable.name] = value
    else if (value) problems.push({ ...value, path: ['env', i, 'valueFrom', ...value.path] })
  })
  return { env, problems }
}

function valueFrom(
  { valueFrom, name }: EnvironmentVariable,
  facts: PodFacts,
  lookup: ConfigLookup,
): string | EnvironmentProblem | undefined {
  const { fieldRef, configMapKeyRef, secretKeyRef } = valueFrom ?? {}
  if (fieldRef) {
    const value = fieldOf(fieldRef.fieldPath, facts)
    if (value !== undefined) return value
    const remedy =
      'use metadata.name, metadata.namespace, status.podIP, spec.serviceAccountName, spec.nodeName or a label'
    return { path: ['fieldRef', 'fieldPath'], problem: `${fieldRef.fieldPath} is nothing that a local pod has`, remedy }
  }
  const reference = configMapKeyRef ?? secretKeyRef
  if (reference) {
    const data = configMapKeyRef
      ? lookup.configMap(reference.name ?? '')?.data
      : decoded(lookup.secret(reference.name ?? ''))
    const value = data?.[reference.key]
    if (value !== undefined || reference.optional) return value
    const [field, kind] = configMapKeyRef
      ? (['configMapKeyRef', 'ConfigMap'] as const)
      : (['secretKeyRef', 'Secret'] as const)
    return missing([field], kind, reference.name ?? '', reference.key)
  }
  return { path: [], problem: `a local pod cannot get ${name} from there`, remedy: 'give the variable a plain value' }
}

function missing(path: FieldPath, kind: string, name: string, key?: string): EnvironmentProblem {
  const what = key === undefined ? `there is no ${kind} ${name}` : `there is no key ${key} in ${kind} ${name}`
  return { path, problem: `${what} in this namespace`, remedy: `add it to the files or set \`optional: true\`` }
}

function fieldOf(path: string, facts: PodFacts): string | undefined {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  if (keyed) return facts[keyed[1] as 'labels' | 'annotations'][keyed[2] as string] ?? ''
  switch (path) {
    case 'metadata.name':
      return facts.name
    case 'metadata.namespace':
      return facts.namespace
    case 'status.podIP':
    case 'status.podIPs':
    case 'status.hostIP':
      return facts.address
    case 'spec.serviceAccountName':
      return facts.serviceAccount
    case 'spec.nodeName':
      return facts.nodeName
    default:
      return undefined
  }
}

/** Puts variables into `$(NAME)`; `$$` stands for `$`. */
export function expanded(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([A-Za-z_.-][\w.-]*)\)/g, (all, name?: string) =>
    name === undefined ? '$' : (env[name] ?? all),
  )
}

function decoded(secret: Secret | undefined): Record<string, string> | undefined {
  if (!secret) return undefined
  const data = Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
  return { ...Object.fromEntries(data), ...secret.stringData }
}

/**
 * `REVIEWS_SERVICE_HOST`, `REVIEWS_SERVICE_PORT`, ... as Kubernetes sets them, but naming what works from a local pod: a Service's name
 * for HTTP, which goes through the sidecar as HTTP proxy, and the sidecar's own port for a TCP port.
 * @param services of the pod's namespace, as made by localServices
 */
export function serviceEnvironment(services: Iterable<Service>, podAddress: string): Record<string, string> {
  const env: Record<string, string> = {}
  for (const service of services) {
    const name = service.metadata.name.toUpperCase().replaceAll('-', '_')
    const { clusterIP, ports = [] } = service.spec ?? {}
    if (!clusterIP || clusterIP === 'None') continue
    ports.forEach((port, i) => {
      const local = localPortOf(service, port.port)
      const [host, number] = local === undefined ? [service.metadata.name, port.port] : [podAddress, local]
      // Kubernetes' plain SERVICE_PORT is the first port; the host goes with it.
      if (i === 0) Object.assign(env, { [`${name}_SERVICE_HOST`]: host, [`${name}_SERVICE_PORT`]: String(number) })
      if (port.name) env[`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(number)
      const link = `${name}_PORT_${port.port}_TCP`
      Object.assign(env, {
        [link]: `tcp://${host}:${number}`,
        [`${link}_PROTO`]: 'tcp',
        [`${link}_ADDR`]: host,
        [`${link}_PORT`]: String(number),
      })
    })
  }
  return env
}
