import { memberOfHost, serviceOfHost } from '../../resources/host.ts'

/** The name that a Service has in its own namespace, or a member of a headless one (`db-0.db`), with that namespace; `undefined` for any other host. */
export function localNameOf(host: string): { readonly name: string; readonly namespace: string } | undefined {
  const member = memberOfHost(host)
  const service = serviceOfHost(member?.serviceHost ?? host)
  return service && member ? { ...service, name: `${member.member}.${service.name}` } : service
}

/** Every name that a Service or a member of one goes by, the full one first; the one without a namespace is for its own namespace only. */
export function aliasesOf(host: string): readonly string[] {
  const service = localNameOf(host)
  if (!service) return [host]
  const { name, namespace } = service
  return [host, `${name}.${namespace}.svc`, `${name}.${namespace}`, name]
}
