import { servicePortProtocol } from '../../mesh/protocol.ts'
import { WORKLOADS } from '../basics/basic.ts'
import {
  type AppWorkload,
  type Estate,
  isServer,
  nameOf,
  objectsOf,
  serviceFields,
  servicesOf,
  whyUnread,
  workloadsOf,
} from '../estate/estate.ts'
import { knownProduct } from '../inventory/products.ts'
import type { Seen } from './questionnaire.ts'

/** Services in front of a workload. */
export function serviceCount(estate: Estate): Seen | undefined {
  if (whyUnread(estate, ['Service', ...WORKLOADS]) !== undefined) return undefined
  const called = new Set(workloadsOf(estate).flatMap((workload) => servicesOf(estate, workload).map(nameOf)))
  if (called.size === 0) return undefined
  return { answer: called.size, says: `${plural(called.size, 'Service')} with workloads behind in ${estate.label}` }
}

/** What an image's name tells of the language inside. */
const LANGUAGES: readonly (readonly [pattern: RegExp, language: string])[] = [
  [/\b(node|nodejs|express|nextjs)\b/, 'JavaScript'],
  [/\b(openjdk|java|jdk|jre|temurin|spring|quarkus|tomcat|jetty|wildfly|kotlin|scala)\b/, 'JVM'],
  [/\b(python|django|flask|fastapi|gunicorn|uvicorn)\b/, 'Python'],
  [/\b(golang|go)\b/, 'Go'],
  [/\b(dotnet|aspnet|csharp)\b/, '.NET'],
  [/\b(ruby|rails|puma)\b/, 'Ruby'],
  [/\b(php|laravel|symfony)\b/, 'PHP'],
  [/\b(rust|actix)\b/, 'Rust'],
]

/** Languages that Applications name, and that images give away. */
export function languageCount(estate: Estate): Seen | undefined {
  const told = objectsOf(estate, 'Application').flatMap(
    (application) =>
      (application['spec'] as { technology?: { languages?: readonly string[] } } | undefined)?.technology?.languages ??
      [],
  )
  const images = workloadsOf(estate).flatMap(
    ({ template }) => template.spec?.containers.map(({ image }) => image ?? '') ?? [],
  )
  const guessed = images.flatMap((image) => LANGUAGES.flatMap(([pattern, name]) => (pattern.test(image) ? [name] : [])))
  const all = [...new Set([...told, ...guessed])].sort()
  if (all.length === 0) return undefined
  const from = told.length > 0 ? 'Applications and names of images tell of' : 'names of images tell of'
  return { answer: all.length, says: `${from} ${all.join(', ')}` }
}

/** How much scales by itself. */
export function scaledShare(estate: Estate): Seen | undefined {
  if (whyUnread(estate, ['HorizontalPodAutoscaler', 'Deployment']) !== undefined) return undefined
  const deployments = workloadsOf(estate).filter(({ kind }) => kind === 'Deployment').length
  if (deployments === 0) return undefined
  const scaled = objectsOf(estate, 'HorizontalPodAutoscaler').length
  const share = scaled / deployments
  return {
    answer: share >= 0.5 ? 'yes' : share >= 0.1 ? 'partly' : 'no',
    says: `${scaled} of ${plural(deployments, 'Deployment')} ${scaled === 1 ? 'has' : 'have'} a HorizontalPodAutoscaler`,
  }
}

/** Who releases on their own. */
export function teamCount(estate: Estate): Seen | undefined {
  const owners = objectsOf(estate, 'Application').flatMap(
    (application) => (application['spec'] as { owner?: { team?: string } } | undefined)?.owner?.team ?? [],
  )
  if (owners.length > 0) {
    const teams = new Set(owners)
    return {
      answer: teams.size,
      says: `Applications name ${plural(teams.size, 'team')}: ${[...teams].sort().join(', ')}`,
    }
  }
  const namespaces = new Set(workloadsOf(estate).map(({ namespace }) => namespace))
  if (namespaces.size === 0) return undefined
  return {
    answer: namespaces.size,
    says: `there are workloads in ${plural(namespaces.size, 'namespace')}, each taken for a team`,
  }
}

/** Ports that say they are not encrypted. */
export function plainPorts(estate: Estate): Seen | undefined {
  const ports = objectsOf(estate, 'Service').flatMap((service) =>
    (serviceFields(service).ports ?? []).map((port) => ({ service, port, protocol: servicePortProtocol(port) })),
  )
  const plain = ports.filter(({ protocol }) => ['http', 'http2', 'grpc', 'grpc-web', 'tcp'].includes(protocol))
  if (plain.length === 0) return undefined
  // That ports are plain is seen; whether that is allowed only people know.
  return {
    says: `${plain.length} of ${plural(ports.length, 'port')} of Services say that they are not encrypted; whether they must be is for you to say`,
  }
}

/** How much of what runs are products that know each other. */
export function ownNetworking(estate: Estate): Seen | undefined {
  const servers = workloadsOf(estate).filter(isServer)
  if (servers.length === 0) return undefined
  const products = servers.flatMap((workload) => {
    const product = productOf(workload)
    return product === undefined ? [] : [`${workload.namespace}/${workload.name} (${product})`]
  })
  const share = products.length / servers.length
  return {
    answer: share >= 0.6 ? 'mostly-products' : share >= 0.4 ? 'half' : 'mostly-services',
    says: `${products.length} of ${plural(servers.length, 'workload')} ${products.length === 1 ? 'is' : 'are'} known products${products.length > 0 ? `: ${products.slice(0, 5).join(', ')}` : ''}`,
  }
}

function productOf({ template }: AppWorkload): string | undefined {
  return (template.spec?.containers ?? []).map(({ image }) => knownProduct(image ?? '')?.name).find(Boolean)
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
