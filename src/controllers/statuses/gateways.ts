import { type ApiGateway, apiGateway, takenListenerSets } from '../../mesh/routing/api-gateways.ts'
import { clientCertificateRef } from '../../mesh/routing/client-certificate.ts'
import { gatewayOfListenerSet } from '../../mesh/routing/gateway-listeners.ts'
import { ourClass } from '../../mesh/routing/gateway-names.ts'
import type { Secret } from '../../resources/core.ts'
import type { Gateway, ListenerSet } from '../../resources/gateway-api.ts'
import { displayName, keyOf } from '../../resources/resource.ts'
import { derive, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { isKeyPair } from '../../translate/gateway/credentials.ts'
import { type GatewayAddresses, gatewayAddresses } from '../gateways/addresses.ts'
import { gatewayParameters } from '../gateways/parameters.ts'
import { listenerVerdicts } from './listeners.ts'
import { type Condition, condition, type WantedConditions } from './wanted-status.ts'

/** By key: the statuses of the Gateways of our classes. */
export function gatewayStatuses(snapshot: Snapshot): ReadonlyMap<string, WantedConditions> {
  const statuses = new Map<string, WantedConditions>()
  for (const { key, api } of ourGateways(snapshot)) {
    const problem = parametersProblem(snapshot, api.gateway)
    const sets = takenListenerSets(snapshot, api.gateway, key)
    statuses.set(
      key,
      gatewayStatus(
        api,
        addressesOf(snapshot, api.gateway),
        secretsOf(snapshot, api),
        acceptedSets(snapshot, api, sets),
        problem,
      ),
    )
  }
  return statuses
}

/** By key: the statuses of the ListenerSets that name a Gateway of our classes. */
export function listenerSetStatuses(snapshot: Snapshot): ReadonlyMap<string, WantedConditions> {
  const statuses = new Map<string, WantedConditions>()
  const sets = snapshot.all('gateway.networking.k8s.io/ListenerSet')
  if (sets.size === 0) return statuses
  const gateways = new Map(ourGateways(snapshot).map((one) => [one.key, one]))
  for (const [key, set] of sets) {
    const ours = gateways.get(gatewayOfListenerSet(set) ?? '')
    if (!ours) continue
    const taken = takenListenerSets(snapshot, ours.api.gateway, ours.key).has(key)
    const refused = parametersProblem(snapshot, ours.api.gateway) !== undefined
    statuses.set(key, listenerSetStatus(set, ours.api, taken, refused, secretsOf(snapshot, ours.api)))
  }
  return statuses
}

/** The Gateways of our classes, with what is known of them. */
export function ourGateways(snapshot: Snapshot): readonly { readonly key: string; readonly api: ApiGateway }[] {
  const classes = snapshot.all('gateway.networking.k8s.io/GatewayClass')
  return [...snapshot.all('gateway.networking.k8s.io/Gateway')].flatMap(([key, gateway]) => {
    const api = ourClass(classes, gateway) && apiGateway(snapshot, key)
    return api ? [{ key, api }] : []
  })
}

const gatewayStatus = derive(
  'controllers/gateway-status',
  (
    api: ApiGateway,
    { addresses, problem: addressProblem }: GatewayAddresses,
    secrets: PersistentMap<Secret>,
    attachedListenerSets: number,
    parametersProblem: string | undefined,
  ): WantedConditions => {
    const { gateway, listeners } = api
    const verdicts = listenerVerdicts(
      api,
      listeners.filter(({ owner }) => owner === gateway),
      secrets,
    )
    const accepted = acceptedCondition(
      verdicts.some((each) => each.accepted) || (verdicts.length === 0 && attachedListenerSets > 0),
      verdicts.filter((each) => !each.accepted).map(({ status }) => status.name),
      addressProblem?.reason === 'UnsupportedAddress' ? addressProblem.message : undefined,
      parametersProblem,
    )
    const programmed = programmedCondition(accepted, addressProblem)
    return {
      form: 'conditions',
      generation: gateway.metadata.generation ?? 0,
      conditions: [accepted, programmed, ...insecureFrontend(gateway), ...clientCertificate(api, secrets)],
      listeners: verdicts.map(({ status }) => withProgrammed(status, programmed)),
      fields: {
        addresses,
        ...(attachedListenerSets > 0 || gateway.spec?.allowedListeners ? { attachedListenerSets } : {}),
      },
    }
  },
)

/** "MUST be set on the Gateway when AllowInsecureFallback is used" (FrontendValidationModeType). */
function insecureFrontend({ spec }: Gateway): readonly Condition[] {
  const { default: otherwise, perPort = [] } = spec?.tls?.frontend ?? {}
  const modes = [otherwise?.validation?.mode, ...perPort.map(({ tls }) => tls.validation?.mode)]
  if (!modes.includes('AllowInsecureFallback')) return []
  const message = 'spec.tls.frontend lets clients in whose certificates nobody vouches for (AllowInsecureFallback)'
  return [condition('InsecureFrontendValidationMode', true, 'ConfigurationChanged', message)]
}

/** About `tls.backend`, where it is set. */
function clientCertificate({ gateway, grants }: ApiGateway, secrets: PersistentMap<Secret>): readonly Condition[] {
  const reference = clientCertificateRef(gateway, grants)
  if (!reference) return []
  if ('reason' in reference) return [condition('ResolvedRefs', false, reference.reason, reference.message)]
  if (isKeyPair(secrets.get(reference.key))) return [condition('ResolvedRefs', true, 'ResolvedRefs')]
  const message = `spec.tls.backend.clientCertificateRef: Secret ${reference.key} does not exist, or holds no certificate with its key (tls.crt and tls.key)`
  return [condition('ResolvedRefs', false, 'InvalidClientCertificateRef', message)]
}

function acceptedCondition(
  some: boolean,
  refused: readonly string[],
  addressProblem: string | undefined,
  parametersProblem: string | undefined,
): Condition {
  if (parametersProblem) return condition('Accepted', false, 'InvalidParameters', parametersProblem)
  if (addressProblem) return condition('Accepted', false, 'UnsupportedAddress', addressProblem)
  if (refused.length === 0) return condition('Accepted', true, 'Accepted')
  const message = `listeners that are not accepted: ${refused.join(', ')}; their conditions say why`
  return condition('Accepted', some, 'ListenersNotValid', message)
}

function programmedCondition(accepted: Condition, problem: GatewayAddresses['problem']): Condition {
  if (accepted.status === 'False') return condition('Programmed', false, 'Invalid', accepted.message)
  if (problem) return condition('Programmed', false, problem.reason, problem.message)
  return condition('Programmed', true, 'Programmed')
}

/** A listener takes no traffic where its Gateway does not. */
function withProgrammed<L extends { readonly conditions: readonly Condition[] }>(listener: L, ofGateway: Condition): L {
  if (ofGateway.status === 'True' || ofGateway.reason !== 'Invalid') return listener
  const conditions = listener.conditions.map((each) =>
    each.type === 'Programmed' && each.status === 'True'
      ? condition('Programmed', false, 'Pending', ofGateway.message)
      : each,
  )
  return { ...listener, conditions }
}

const listenerSetStatus = derive(
  'controllers/listener-set-status',
  (
    set: ListenerSet,
    api: ApiGateway,
    taken: boolean,
    parentRefused: boolean,
    secrets: PersistentMap<Secret>,
  ): WantedConditions => {
    const generation = set.metadata.generation ?? 0
    if (!taken) {
      const message = `${displayName(api.gateway)} takes no ListenerSets of namespace ${set.metadata.namespace}: its allowedListeners says which`
      return refusedSet(generation, 'NotAllowed', message)
    }
    if (parentRefused) return refusedSet(generation, 'ParentNotAccepted', `${displayName(api.gateway)} is not accepted`)
    const own = api.listeners.filter(({ owner }) => owner === set)
    const verdicts = listenerVerdicts(api, own, secrets)
    const bad = verdicts.filter(({ works }) => !works).map(({ status }) => status.name)
    const some = verdicts.some(({ works }) => works)
    const message = bad.length > 0 ? `listeners that do nothing: ${bad.join(', ')}; their conditions say why` : ''
    return {
      form: 'conditions',
      generation,
      conditions: [
        condition('Accepted', some, bad.length > 0 ? 'ListenersNotValid' : 'Accepted', message),
        condition('Programmed', some, some ? 'Programmed' : 'ListenersNotValid', message),
      ],
      listeners: verdicts.map(({ status }) => status),
    }
  },
)

function refusedSet(generation: number, reason: string, message: string): WantedConditions {
  const conditions = [condition('Accepted', false, reason, message), condition('Programmed', false, reason, message)]
  return { form: 'conditions', generation, conditions, listeners: [] }
}

/** GatewayStatus.attachedListenerSets: "successfully attached" are those of which at least one listener works. */
function acceptedSets(snapshot: Snapshot, api: ApiGateway, sets: PersistentMap<ListenerSet>): number {
  if (sets.size === 0) return 0
  const secrets = secretsOf(snapshot, api)
  return [...sets.values()].filter((set) =>
    listenerSetStatus(set, api, true, false, secrets).conditions.some(
      ({ type, status }) => type === 'Accepted' && status === 'True',
    ),
  ).length
}

function parametersProblem(snapshot: Snapshot, gateway: Gateway): string | undefined {
  const gatewayClass = ourClass(snapshot.all('gateway.networking.k8s.io/GatewayClass'), gateway)
  if (!gatewayClass) return undefined
  const found = gatewayParameters(gateway, gatewayClass, snapshot.all('core/ConfigMap'))
  return 'problem' in found ? found.problem : undefined
}

/** The same object while the addresses are the same. */
function addressesOf(snapshot: Snapshot, gateway: Gateway): GatewayAddresses {
  return sameAddresses(gateway, JSON.stringify(gatewayAddresses(snapshot, gateway)))
}

const sameAddresses = derive(
  'controllers/gateway-addresses',
  (_: Gateway, text: string) => JSON.parse(text) as GatewayAddresses,
)

const NO_SECRETS = PersistentMap.empty<Secret>()

/** The Secrets that listeners of a Gateway refer to; none where it ends no TLS, so that its status has nothing to do with them. */
function secretsOf(snapshot: Snapshot, api: ApiGateway): PersistentMap<Secret> {
  const keys = certificateKeysOf(api.listeners, api.gateway)
  return keys.size === 0 ? NO_SECRETS : named([keys, snapshot.all('core/Secret')], keyOf(api.gateway))
}

const certificateKeysOf = derive(
  'controllers/gateway-certificates',
  (listeners: ApiGateway['listeners'], { spec, metadata }: Gateway): PersistentMap<true> => {
    const shown = spec?.tls?.backend?.clientCertificateRef
    const keys = listeners.flatMap(({ listener, owner }) =>
      (listener.tls?.certificateRefs ?? []).map(
        ({ name, namespace = owner.metadata.namespace }) => `${namespace}/${name}`,
      ),
    )
    const all = shown ? [...keys, `${shown.namespace ?? metadata.namespace}/${shown.name}`] : keys
    return PersistentMap.from(all.map((key) => [key, true]))
  },
)

const named = deriveMap<[PersistentMap<true>, PersistentMap<Secret>], [string], Secret>(
  'controllers/gateway-secrets',
  (_, [wanted, secret]) => (wanted ? secret : undefined),
)
