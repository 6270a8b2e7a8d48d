import { closest } from '../../resources/did-you-mean.ts'
import type { Gateway, ParentRef } from '../../resources/gateway-api.ts'
import { hostsOverlap } from '../../resources/host.ts'
import { displayName } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'
import { keyLike } from '../views/keys.ts'
import { portsText } from '../views/ports.ts'
import { allows, GATEWAY_API, namedListeners, parentGateway, type Route, routes } from '../views/routes.ts'

type Problem = Omit<Finding, 'resource' | 'path'> & { readonly field?: string }

export const missingParent: Check = {
  rule: 'missing-parent',
  severity: 'error',
  about: 'A route of the Gateway API names a Gateway, listener or Service that does not exist: it has no effect there.',
  find: (snapshot) =>
    eachParent(snapshot, (route, ref) => {
      const group = ref.group ?? GATEWAY_API
      const kind = ref.kind ?? 'Gateway'
      const key = `${ref.namespace ?? route.namespace}/${ref.name}`
      if (group === '' && kind === 'Service') return missingServiceParent(snapshot, ref, key)
      if (group !== GATEWAY_API || kind !== 'Gateway') return undefined
      const gateway = snapshot.get('gateway.networking.k8s.io/Gateway', key)
      return gateway ? missingListener(gateway, ref) : missingGateway(snapshot, route, key)
    }),
}

export const routeNotAllowed: Check = {
  rule: 'route-not-allowed',
  severity: 'error',
  about:
    'No listener of the Gateway allows the route: by allowedRoutes, or as its protocol takes other kinds of routes.',
  find: (snapshot) =>
    eachParent(snapshot, (route, ref) => {
      const gateway = parentGateway(snapshot, route, ref)
      const listeners = gateway ? namedListeners(gateway, ref) : []
      if (
        !gateway ||
        listeners.length === 0 ||
        listeners.some((listener) => allows(snapshot, gateway, listener, route))
      )
        return undefined
      const names = listeners.map(({ name }) => `"${name}"`).join(', ')
      const { kind } = route.resource
      return {
        problem: `listener ${names} of ${displayName(gateway)} does not allow ${kind}s of namespace ${route.namespace}`,
        remedy: `let allowedRoutes of the listener allow it, move the ${kind}, or name another listener with sectionName`,
      }
    }),
}

export const hostnameNotAtListener: Check = {
  rule: 'hostname-not-at-listener',
  severity: 'error',
  about: 'No hostname of a route is one that the listeners of its Gateway are for: it gets no requests from there.',
  find: (snapshot) =>
    eachParent(snapshot, (route, ref) => {
      const gateway = parentGateway(snapshot, route, ref)
      const { hostnames = [] } = route.spec
      if (!gateway || hostnames.length === 0) return undefined
      const listeners = namedListeners(gateway, ref).filter((listener) => allows(snapshot, gateway, listener, route))
      if (listeners.length === 0) return undefined
      const overlaps = listeners.some(
        ({ hostname }) =>
          !hostname || hostnames.some((host) => hostsOverlap(host.toLowerCase(), hostname.toLowerCase())),
      )
      if (overlaps) return undefined
      const served = [...new Set(listeners.map(({ hostname }) => hostname))].join(', ')
      return {
        problem: `${displayName(gateway)} is for ${served}, and none of the hostnames ${hostnames.join(', ')} is among that`,
        remedy: 'add a hostname that the listener is for, or a listener for one of these',
      }
    }),
}

function* eachParent(
  snapshot: Snapshot,
  look: (route: Route, ref: ParentRef) => Problem | undefined,
): Iterable<Finding> {
  for (const route of routes(snapshot)) {
    for (const [i, ref] of (route.spec.parentRefs ?? []).entries()) {
      const found = look(route, ref)
      if (!found) continue
      const { field, ...problem } = found
      const path = ['spec', 'parentRefs', i, ...(field ? [field] : [])]
      yield { resource: route.resource, path, ...problem }
    }
  }
}

function missingServiceParent(snapshot: Snapshot, { port }: ParentRef, key: string): Problem | undefined {
  const service = snapshot.get('core/Service', key)
  if (!service) {
    return {
      field: 'name',
      problem: `there is no Service ${key}`,
      remedy: 'name an existing Service, or add it',
      suggestion: () => keyLike(key, [...snapshot.all('core/Service').keys()]),
    }
  }
  const ports = (service.spec?.ports ?? []).map(({ port, name = '' }) => ({ number: port, name }))
  if (port === undefined || ports.some(({ number }) => number === port)) return undefined
  return {
    field: 'port',
    problem: `${displayName(service)} has no port ${port}: it has ${portsText(ports)}`,
    remedy: 'write one of its ports, or leave the port out to mean them all',
  }
}

function missingGateway(snapshot: Snapshot, route: Route, key: string): Problem {
  const keys = [...snapshot.all('gateway.networking.k8s.io/Gateway').keys()]
  if (snapshot.get('networking.istio.io/Gateway', key)) {
    const remedy = 'bind a VirtualService to it, or write a Gateway of gateway.networking.k8s.io/v1'
    return {
      field: 'name',
      problem: `Gateway ${key} is one of Istio's API, which takes no ${route.resource.kind}`,
      remedy,
    }
  }
  return {
    field: 'name',
    problem: `there is no Gateway ${key}`,
    remedy: 'name an existing Gateway, or add it',
    suggestion: () => keyLike(key, keys),
  }
}

function missingListener(gateway: Gateway, ref: ParentRef): Problem | undefined {
  if (namedListeners(gateway, ref).length > 0) return undefined
  const listeners = gateway.spec?.listeners ?? []
  const there = listeners.map(({ name, port }) => `"${name}" on port ${port}`).join(', ') || 'none'
  if (ref.sectionName !== undefined && !listeners.some(({ name }) => name === ref.sectionName)) {
    const near = closest(
      ref.sectionName,
      listeners.map(({ name }) => name),
    )
    return {
      field: 'sectionName',
      problem: `${displayName(gateway)} has no listener "${ref.sectionName}": it has ${there}`,
      remedy: near
        ? `write "${near}" if that was meant`
        : 'name one of its listeners, or leave sectionName out to mean them all',
    }
  }
  return {
    field: 'port',
    problem: `${displayName(gateway)} has no ${ref.sectionName === undefined ? 'listener' : `listener "${ref.sectionName}"`} on port ${ref.port}: it has ${there}`,
    remedy: 'write the port of one of its listeners, or leave the port out',
  }
}
