import { closest } from '../resources/did-you-mean.ts'
import { Failure } from './failure.ts'

/** More names than this in an error help nobody. */
const MOST_NAMES = 12

/**
 * The proxy that a person means: `POD`, `POD.NAMESPACE` or `NAMESPACE/POD`; also the beginning of a pod's name, such as its
 * Deployment's name, where that fits only one.
 * @param keys `namespace/pod` of all that have a proxy
 * @param namespace of a bare name; where undefined, any namespace that has such a pod
 * @throws Failure naming what there is
 */
export function proxyNamed(name: string, keys: readonly string[], namespace?: string): string {
  const candidates = wanted(name, keys, namespace)
  const [only, ...others] = candidates
  if (only !== undefined && others.length === 0) return only
  if (only !== undefined) throw new Failure(`"${name}" fits several proxies: ${listed(candidates)}`, 'name one of them')
  if (keys.length === 0) throw new Failure('there is no pod with a proxy', 'add a Deployment, or a Gateway')
  const near = closest(
    name,
    keys.flatMap((key) => [key, ...beginnings(shortName(key)), `${shortName(key)}.${key.split('/')[0]}`]),
  )
  const remedy = near ? `write "${near}" if that was meant` : 'name one of them'
  throw new Failure(`there is no proxy "${name}": there are ${listed(keys)}`, remedy)
}

function wanted(name: string, keys: readonly string[], namespace: string | undefined): readonly string[] {
  const isMeant = (key: string, podName: string) => {
    const [itsNamespace] = key.split('/')
    if (name === podName) return namespace === undefined || namespace === itsNamespace
    return name === `${podName}.${itsNamespace}` || name === `${itsNamespace}/${podName}`
  }
  const exact = keys.filter((key) => isMeant(key, shortName(key)))
  return exact.length > 0 ? exact : keys.filter((key) => beginnings(shortName(key)).some((name) => isMeant(key, name)))
}

/** `reviews-v1-0`, `reviews-v1`, `reviews` */
function beginnings(name: string): readonly string[] {
  const words = name.split('-')
  return words.map((_, i) => words.slice(0, words.length - i).join('-'))
}

function shortName(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function listed(keys: readonly string[]): string {
  const sorted = [...keys].sort()
  const more = sorted.length - MOST_NAMES
  return sorted.slice(0, MOST_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
