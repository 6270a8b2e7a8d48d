/** Istio's, on pods: how connections get to the proxy. */
export const INTERCEPTION_MODE = 'sidecar.istio.io/interceptionMode'

/** Whether a pod's annotations ask for applications to see the addresses from which they are called (TPROXY), rather than their own proxy's. */
export function asksForTransparency(annotations: Readonly<Record<string, string>>): boolean {
  return annotations[INTERCEPTION_MODE]?.trim() === 'TPROXY'
}
