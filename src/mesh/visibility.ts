/** Namespace of policy for the whole mesh, as Istio's `meshConfig.rootNamespace`. */
export const ROOT_NAMESPACE = 'istio-system'

/**
 * Namespaces that `exportTo` names, with `.` resolved: `['*']` for all, `[]` for none (`~`). Absent or empty means everyone,
 * which is Istio's default for services, virtual services and destination rules alike.
 */
export function exportedTo(exportTo: readonly string[] | undefined, namespace: string): readonly string[] {
  if (!exportTo || exportTo.length === 0 || exportTo.includes('*')) return ['*']
  return [...new Set(exportTo.filter((to) => to !== '~').map((to) => (to === '.' ? namespace : to)))]
}
