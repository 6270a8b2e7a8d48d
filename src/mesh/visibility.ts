/** Namespace of policy for the whole mesh, as Istio's `meshConfig.rootNamespace`. */
export const ROOT_NAMESPACE = 'istio-system'

/** What `exportTo` is where neither an object nor the mesh config says it: for services, virtual services and destination rules alike. */
export const EVERYONE: readonly string[] = ['*']

/**
 * Namespaces that `exportTo` names, with `.` resolved: `['*']` for all, `[]` for none (`~`). Where it is absent or empty, `byDefault` counts.
 */
export function exportedTo(
  written: readonly string[] | undefined,
  namespace: string,
  byDefault: readonly string[] = EVERYONE,
): readonly string[] {
  const exportTo = written?.length ? written : byDefault
  if (exportTo.includes('*')) return EVERYONE
  return [...new Set(exportTo.filter((to) => to !== '~').map((to) => (to === '.' ? namespace : to)))]
}
