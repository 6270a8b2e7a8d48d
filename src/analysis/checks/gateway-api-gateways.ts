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
  about: 'Two listeners of a Gateway cannot be told apart: same port and hostname, or other protocols on one port.',
  *find(snapshot) {
    for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
      const listeners = resource.spec?.listeners ?? []
      for (const [i, listener] of listeners.entries()) {
        const conflict = conflictOf(listeners.slice(0, i), listener)
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

/** What in the listeners before it leaves no room for this one. */
function conflictOf(before: readonly Listener[], listener: Listener) {
  const { port, protocol, hostname } = listener
  const samePort = before.filter((other) => other.port === port)
  const [first] = samePort
  if (first && layer(first) !== layer(listener)) {
    const problem = `port ${port} has protocol ${protocol} here, and ${first.protocol} in listener "${first.name}"`
    return { field: 'protocol', text: { problem, remedy: 'use another port, or the same protocol' } }
  }
  if (layer(listener) === 'TCP' || layer(listener) === 'UDP') {
    const text = { problem: `listener "${first?.name}" has port ${port} as well`, remedy: 'use another port' }
    return first && { field: 'port', text }
  }
  const same = samePort.find((other) => (other.hostname ?? '').toLowerCase() === (hostname ?? '').toLowerCase())
  if (!same) return undefined
  const problem = `listener "${same.name}" has port ${port} and ${hostname ? `hostname ${hostname}` : 'no hostname'} as well`
  const text = { problem, remedy: 'give one of them another port or hostname' }
  return { field: hostname ? 'hostname' : 'port', text }
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
