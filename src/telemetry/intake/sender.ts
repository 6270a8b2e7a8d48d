import { type AddressOwner, NOBODY, type PodAddresses, type WorkloadAddresses } from './workload-addresses.ts'

/** An application that sends telemetry by itself. */
export interface Sender {
  /** Of its connection, without port. */
  readonly address: string
}

/** Attributes of a resource by which pods are told, in OpenTelemetry's words. */
const POD = 'k8s.pod.name'
const NAMESPACE = 'k8s.namespace.name'

/**
 * Which pod's application it is that sends: by the address of its connection, which nobody can choose; where that is of no pod, as on a laptop, by what it says of
 * itself. Undefined where neither tells.
 * @param said attributes of the resource that it names
 */
export function ownerOf(
  addresses: WorkloadAddresses,
  { address }: Sender,
  said: Readonly<Record<string, string>>,
): PodAddresses | undefined {
  return addresses.at(address) ?? addresses.of(`${said[NAMESPACE]}/${said[POD]}`)
}

/** Attributes with the names of who sent it in the place of what it says of itself, as proxies have them in their spans. */
export function withNames(
  attributes: Readonly<Record<string, string>>,
  owner: AddressOwner | undefined,
): Record<string, string> {
  const { namespace, workload, app, version } = owner ?? { ...NOBODY, namespace: '', workload: '' }
  const others = Object.entries(attributes).filter(([name]) => !name.startsWith('weft.'))
  const names = { namespace, workload, app, version }
  const told = Object.entries(names).flatMap(([name, value]) =>
    value === '' ? [] : [[`weft.${name}`, value] as const],
  )
  return Object.fromEntries([...others, ...told, ...(owner ? [[NAMESPACE, namespace] as const] : [])])
}

/** @param address of a connection, such as `10.0.0.1`, `::ffff:10.0.0.1` or `[::1]` */
export function senderAt(address: string): Sender {
  return { address: address.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:(?=\d+\.)/, '') }
}
