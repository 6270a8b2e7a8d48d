import type { Service } from '../../mesh/model.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { Failure } from '../failure.ts'

/**
 * The service that a person means: `NAME` (in `namespace`, or wherever there is only one), `NAME.NAMESPACE`, `NAMESPACE/NAME` or a host.
 * @throws Failure naming what there is
 */
export function serviceNamed(text: string, services: readonly Service[], namespace?: string): Service {
  const found = services.filter(
    (service) =>
      text === service.host ||
      text === `${service.name}.${service.namespace}` ||
      text === `${service.name}.${service.namespace}.svc` ||
      text === `${service.namespace}/${service.name}` ||
      (text === service.name && (namespace === undefined || namespace === service.namespace)),
  )
  const [only, ...others] = found
  if (only && others.length === 0) return only
  if (only)
    throw new Failure(
      `"${text}" fits several services: ${found.map(({ host }) => host).join(', ')}`,
      'name one of them',
    )
  const near = closest(
    text,
    services.flatMap(({ name, namespace, host }) => [name, `${name}.${namespace}`, host]),
  )
  throw new Failure(
    `there is no service "${text}"${namespace === undefined ? '' : ` in namespace ${namespace}`}`,
    near ? `write "${near}" if that was meant` : 'see what there is: weft get services -A',
  )
}
