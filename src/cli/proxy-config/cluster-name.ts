/** The parts of a cluster's name in Istio's form: `outbound|9080|v1|reviews.default.svc.cluster.local`. */
export interface ClusterName {
  readonly direction: string
  readonly port: string
  readonly subset: string
  readonly fqdn: string
}

/** A name of another form (`xds-grpc`, `PassthroughCluster`) is all FQDN, as istioctl shows it. */
export function clusterName(name: string): ClusterName {
  const [direction = '', port = '', subset = '', ...fqdn] = name.split('|')
  if (fqdn.length === 0) return { direction: '', port: '', subset: '', fqdn: name }
  return { direction, port, subset, fqdn: fqdn.join('|') }
}

/** Which clusters, and what leads to them, a person wants to see. */
export interface ClusterFilter {
  readonly fqdn?: string
  readonly port?: string
  readonly subset?: string
  readonly direction?: string
}

export function matchesCluster(name: string, filter: ClusterFilter): boolean {
  const parts = clusterName(name)
  return (['direction', 'port', 'subset', 'fqdn'] as const).every((part) => {
    const wanted = filter[part]
    return wanted === undefined || parts[part] === wanted || (part === 'fqdn' && parts.fqdn.startsWith(`${wanted}.`))
  })
}
