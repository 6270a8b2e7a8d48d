import { serviceOfHost } from '../../resources/host.ts'

/** Every name that a Service goes by, the full one first; the one without a namespace is for its own namespace only. */
export function aliasesOf(host: string): readonly string[] {
  const service = serviceOfHost(host)
  if (!service) return [host]
  const { name, namespace } = service
  return [host, `${name}.${namespace}.svc`, `${name}.${namespace}`, name]
}
