/**
 * The full name of a container image with neither tag nor digest, as Docker reads it: `istio/x:1` is
 * `docker.io/istio/x`, `redis` is `docker.io/library/redis`, `host:5000/x@sha256:...` is `host:5000/x`.
 */
export function imageName(reference: string): string {
  const untagged = reference.replace(/@[^@/]*$/, '').replace(/:[^:/]*$/, '')
  const parts = untagged.split('/')
  const [first = ''] = parts
  // Docker's rule: the first part is a registry if it could not be a user name.
  const registry = parts.length > 1 && (/[.:]/.test(first) || first === 'localhost')
  if (!registry) return parts.length === 1 ? `docker.io/library/${untagged}` : `docker.io/${untagged}`
  if (first === 'docker.io' && parts.length === 2) return `docker.io/library/${parts[1]}`
  return untagged
}
