import { closest } from '../../resources/did-you-mean.ts'

/** What to do about a reference to an object that is not there, where one is that was probably meant. Keys are `namespace/name`. */
export function keyLike(key: string, keys: readonly string[]): string | undefined {
  const name = key.slice(key.indexOf('/'))
  const elsewhere = keys.find((other) => other.endsWith(name))
  if (elsewhere) return `add namespace: ${elsewhere.slice(0, elsewhere.indexOf('/'))} if ${elsewhere} was meant`
  const near = closest(key, keys)
  return near && `name ${near} if that was meant, or add what is missing`
}
