/** `9080 (http), 9090 (grpc)`; `no ports` where there are none. */
export function portsText(ports: readonly { readonly number: number; readonly name: string }[]): string {
  if (ports.length === 0) return 'no ports'
  return ports.map(({ number, name }) => (name ? `${number} (${name})` : String(number))).join(', ')
}
