interface GatewayPod {
  readonly name: string
  readonly namespace?: string
  /** Of its service account, where that is not its own. */
  readonly account?: string
  /** Where its Envoy listens. */
  readonly address: string
  /** By which Gateways find it. */
  readonly labels: Readonly<Record<string, string>>
}

/** The pod of a gateway. */
export function gatewayPod({ name, namespace = 'default', account = name, address, labels }: GatewayPod): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: { 'weft.dev/proxy-role': 'gateway', ...labels },
      annotations: { 'weft.dev/app-address': address, 'weft.dev/http-proxy-port': '15001' },
    },
    spec: { serviceAccountName: account, containers: [{ name: 'proxy', image: 'proxy' }] },
    status: { podIP: address, phase: 'Running' },
  })
}
