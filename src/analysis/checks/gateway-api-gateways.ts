import { closest } from '../../resources/did-you-mean.ts'
import type { Listener } from '../../resources/gateway-api.ts'
import type { Check } from '../check.ts'

/** Classes that need no GatewayClass object: ours, and the one that Istio makes. */
const BUILT_IN_CLASSES: readonly string[] = ['weft', 'istio']

export const unknownGatewayClass: Check = {
  rule: 'unknown-gateway-class',
  severity: 'error',
  about: 'A Gateway is of a class that does not exist: nobody runs it.',
  *find(snapshot) {
    for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
      const name = resource.spec?.gatewayClassName ?? ''
      const classes = [...BUILT_IN_CLASSES, ...snapshot.all('gateway.networking.k8s.io/GatewayClass').keys()]
      if (classes.includes(name)) continue
      const near = closest(name, classes)
      yield {
        resource,
        path: ['spec', 'gatewayClassName'],
        problem: `there is no GatewayClass "${name}"`,
        remedy: near
          ? `write "${near}" if that was meant`
          : 'write "weft" to have the gateway run by this mesh, or add the GatewayClass',
      }
    }
  },
}

export const listenerConflict: Check = {
  rule: 'listener-conflict',
  severity: 'error',
  about:
    'Two listeners of a Gateway have the same name, or cannot be told apart: same port and hostname, or other protocols on one port.',
  *find(snapshot) {
    for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
      const listeners = resource.spec?.listeners ?? []
      for (const [i, listener] of listeners.entries()) {
        const conflict = listeners
          .slice(0, i)
          .map((other) => conflictOf(other, listener))
          .find(Boolean)
        if (conflict) yield { resource, path: ['spec', 'listeners', i, conflict.field], ...conflict.text }
      }
    }
  },
}

export const listenerTls: Check = {
  rule: 'listener-tls',
  severity: 'error',
  about: "The tls settings of a Gateway's listener do not go with its protocol, or name no certificate.",
  *find(snapshot) {
    for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
      for (const [i, listener] of (resource.spec?.listeners ?? []).entries()) {
        const problem = tlsProblem(listener)
        if (problem) yield { resource, path: ['spec', 'listeners', i, problem.field], ...problem.text }
      }
    }
  },
}

function conflictOf(a: Listener, b: Listener) {
  if (a.name === b.name) {
    const text = { problem: `two listeners are called "${a.name}"`, remedy: 'give each a name of its own' }
    return { field: 'name', text }
  }
  if (a.port !== b.port) return undefined
  if (layer(a) !== layer(b)) {
    const problem = `port ${b.port} has protocol ${b.protocol} here, and ${a.protocol} in listener "${a.name}"`
    return { field: 'protocol', text: { problem, remedy: 'use another port, or the same protocol' } }
  }
  const named = layer(a) !== 'TCP' && layer(a) !== 'UDP'
  if (named && (a.hostname ?? '').toLowerCase() !== (b.hostname ?? '').toLowerCase()) return undefined
  const problem = `listener "${a.name}" has port ${a.port}${named ? ` and ${a.hostname ? `hostname ${a.hostname}` : 'no hostname'}` : ''} as well`
  return {
    field: named && b.hostname ? 'hostname' : 'port',
    text: { problem, remedy: named ? 'give one of them another port or hostname' : 'use another port' },
  }
}

/** HTTPS and TLS share a port: both are told apart by the name in the TLS handshake. */
function layer({ protocol }: Listener): string {
  return protocol === 'HTTPS' ? 'TLS' : protocol
}

function tlsProblem(listener: Listener) {
  const { protocol, tls } = listener
  if (layer(listener) !== 'TLS') {
    if (!tls) return undefined
    const problem = `protocol ${protocol} is not encrypted, so tls has no effect`
    return { field: 'tls', text: { problem, remedy: 'use protocol HTTPS or TLS, or remove tls' } }
  }
  if (!tls) {
    const problem = `protocol ${protocol} needs tls settings`
    return { field: 'protocol', text: { problem, remedy: 'add tls with certificateRefs' } }
  }
  if (tls.mode === 'Passthrough' || tls.certificateRefs?.length || Object.keys(tls.options ?? {}).length)
    return undefined
  return {
    field: 'tls',
    text: {
      problem: 'TLS is to be terminated without a certificate',
      remedy: 'add certificateRefs with the name of a Secret of type kubernetes.io/tls',
    },
  }
}
