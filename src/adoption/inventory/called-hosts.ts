import { compareTexts } from '../../resources/text-order.ts'
import { type AppWorkload, type Estate, nameOf, objectsOf, servicesOf, workloadsOf } from '../estate/estate.ts'

interface ApplicationName {
  readonly name: string
  readonly namespace: string
}

/** Which applications are behind the names of Services: `ratings.default` and `ratings.default.svc.cluster.local`. */
export interface ServiceIndex {
  readonly behind: ReadonlyMap<string, ApplicationName>
}

/** @param applicationOf which application a workload is of */
export function serviceIndex(estate: Estate, applicationOf: (workload: AppWorkload) => ApplicationName): ServiceIndex {
  const behind = new Map<string, ApplicationName>()
  const known = new Set(objectsOf(estate, 'Service').map(nameOf))
  for (const workload of workloadsOf(estate))
    for (const service of servicesOf(estate, workload)) {
      if (!known.has(nameOf(service))) continue
      behind.set(`${service.metadata.name}.${service.metadata.namespace ?? 'default'}`, applicationOf(workload))
    }
  return { behind }
}

/** What a workload's containers are told to call. */
export interface CalledHosts {
  readonly applications: readonly ApplicationName[]
  readonly external: readonly { readonly host: string; readonly port?: number }[]
}

/** `http://ratings:9080/x`, `ratings:9080`, `db.shop.svc`: in the values of variables and in arguments, where applications say whom they call. */
const HOST =
  /(?:([a-z][a-z0-9+.-]*):\/\/)?(?:[^\s/@,;=]+@)?([a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*)(?::(\d{1,5}))?/gi

/** Whom a workload is configured to call, as far as its variables and arguments say. */
export function calledHosts({ namespace, template }: AppWorkload, { behind }: ServiceIndex): CalledHosts {
  const applications = new Map<string, ApplicationName>()
  const external = new Map<string, { host: string; port?: number }>()
  for (const text of textsOf(template)) {
    for (const [, scheme, written = '', port] of text.matchAll(HOST)) {
      const host = written.toLowerCase()
      const application = behind.get(serviceName(host, namespace))
      if (application) applications.set(`${application.namespace}/${application.name}`, application)
      // Without a scheme a text with dots may be anything: a version, a file, a class.
      else if (scheme && isOutside(host))
        external.set(`${host}:${port ?? ''}`, { host, ...(port ? { port: Number(port) } : {}) })
    }
  }
  const byKey = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => compareTexts(a, b)).map(([, value]) => value)
  return { applications: byKey(applications), external: byKey(external) }
}

function textsOf(template: AppWorkload['template']): string[] {
  return (template.spec?.containers ?? []).flatMap(({ env = [], args = [], command = [] }) => [
    ...env.flatMap(({ value }) => (value === undefined ? [] : [String(value)])),
    ...args.map(String),
    ...command.map(String),
  ])
}

/** `ratings`, `ratings.shop`, `ratings.shop.svc` and `ratings.shop.svc.cluster.local` as `ratings.shop`. */
function serviceName(host: string, namespace: string): string {
  const [name = '', home = namespace, svc] = host.split('.')
  return svc === undefined || svc === 'svc' ? `${name}.${home}` : ''
}

function isOutside(host: string): boolean {
  const isAddress = /^[\d.]+$/.test(host)
  return host.includes('.') && !isAddress && !host.endsWith('.local') && !host.includes('.svc')
}
