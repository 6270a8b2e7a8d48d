import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { type Secret as EnvoySecret, SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { meshConfig, type PathNormalization } from '../../mesh/mesh-config.ts'
import { WELL_KNOWN, type Workload } from '../../mesh/model.ts'
import { byAge } from '../../mesh/precedence.ts'
import { type ApiGateway, apiGateway } from '../../mesh/routing/api-gateways.ts'
import { clientCertificateRef } from '../../mesh/routing/client-certificate.ts'
import { gatewayOfLabel } from '../../mesh/routing/gateway-names.ts'
import { type GatewayProxy, gatewayProxyOf, selectedGateways } from '../../mesh/routing/gateway-proxy.ts'
import {
  gatewayRules,
  type VirtualServiceRule,
  type VirtualServiceRules,
} from '../../mesh/routing/virtual-service-rules.ts'
import { signOns as allSignOns, signOnsOfGateway } from '../../mesh/sign-on/oidc-policies.ts'
import type { Secret } from '../../resources/core.ts'
import type { Gateway } from '../../resources/istio.ts'
import { keyOf } from '../../resources/resource.ts'
import { derive, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { ANY_ADDRESS, andIPv6 } from '../address.ts'
import { type EncodedResource, type EnvoyResource, encoder } from '../encoded-resource.ts'
import { type MeshProviders, meshProviders, providerClusters } from '../sign-on/provider-clusters.ts'
import { signOnSecrets } from '../sign-on/secrets.ts'
import { apiServers, certificateKeys } from './api-servers.ts'
import { clientCredentialKeys, withClientCredentials } from './client-credentials.ts'
import { type Credentials, credentialKeys, envoySecrets, isKeyPair } from './credentials.ts'
import { type GatewayWithRules, isPassedOnByName, istioServers } from './istio-servers.ts'
import { gatewayListeners } from './listeners.ts'
import { routeConfigurations } from './route-configurations.ts'
import type { Server } from './server.ts'
import { signedOnServers } from './signed-on-servers.ts'
import { sniClusters } from './sni-clusters.ts'
import { type UdpResources, udpResources } from './udp.ts'

type Resources = PersistentMap<EncodedResource>

/** What a gateway's proxy has of its own; endpoints are those of every client in its namespace. */
export interface GatewayResources {
  /** Those of every client in its namespace, with what is in Secrets that only gateways read. */
  readonly clusters: Resources
  /** Where mesh mTLS is passed on by server name. */
  readonly sniClusters?: Resources
  readonly listener: Resources
  readonly routes: Resources
  readonly secret: Resources
  /** For OIDCPolicies: servers and secrets; absent where none is for it. */
  readonly signOn?: { readonly clusters: Resources; readonly secret: Resources }
  /** For datagrams; absent where it takes none. */
  readonly udp?: UdpResources
  /** Key (`namespace/name`) of the Secret with the certificate that it shows to backends, where it shows one. */
  readonly clientCertificate?: string
}

/**
 * All that the proxy of a gateway listens on, with routes and certificates. Routes and certificates are shared by its replicas.
 * @param called the clusters of every client in its namespace
 */
export function gatewayResources(snapshot: Snapshot, workload: Workload, called: Resources): GatewayResources {
  const proxy = gatewayProxyOf(snapshot, workload)
  const selected = selectedGateways(snapshot, proxy)
  const gateways = withRules([selected, gatewayRules(snapshot)], proxy)
  const api = apiGatewayOf(snapshot, proxy)
  const wanted = bothWanted([wantedSecrets(selected, api, proxy), clientCredentialKeys(called, proxy)], proxy)
  const credentials = credentialsOf([wanted, snapshot.all('core/Secret')], proxy)
  const signOns = signOnsOfGateway(allSignOns(snapshot), proxy, api && keyOf(api.gateway))
  const servers = signedOnServers(serversOf(gateways, api, credentials, proxy), signOns, proxy)
  const { capture } = workload
  const address = capture.mode === 'listeners' ? workload.address : ANY_ADDRESS.IPv4
  const ipv6 = capture.mode === 'redirect' && capture.ipv6 === true
  const clientCertificate = api && clientCertificateKey(api)
  const udp = api && udpResources(snapshot, api, proxy)
  return {
    clusters: withClientCredentials(called, proxy, credentials),
    ...(passesOnByName(selected) ? { sniClusters: sniClusters(called, proxy) } : {}),
    ...(clientCertificate && isKeyPair(credentials.get(clientCertificate)) ? { clientCertificate } : {}),
    ...(udp ? { udp } : {}),
    ...(signOns.size > 0 ? { signOn: { clusters: providerClusters(signOns), secret: signOnSecrets(signOns) } } : {}),
    listener: encodedListeners(
      listenersOf(
        servers,
        address,
        ipv6,
        meshConfig(snapshot).pathNormalization,
        meshProviders(snapshot, workload.namespace, signOns),
      ),
      proxy,
      address,
      ipv6,
    ),
    routes: encodedRoutes(routesOf(servers), proxy),
    secret: encodedSecrets(secretsOf(credentials), proxy),
  }
}

const passesOnByName = derive('translate/gateway/passes-on-by-name', (gateways: PersistentMap<Gateway>) =>
  [...gateways.values()].some(({ spec }) => spec?.servers?.some(isPassedOnByName)),
)

const NO_RULES = PersistentMap.empty<VirtualServiceRule>()

const withRules = deriveMap<
  [PersistentMap<Gateway>, PersistentMap<VirtualServiceRules>],
  [GatewayProxy],
  GatewayWithRules
>('translate/gateway/rules', (_, [gateway, rules = NO_RULES]) => gateway && { gateway, rules })

/** The Gateway of Gateway API that a proxy is for. */
function apiGatewayOf(snapshot: Snapshot, { namespace, labels }: GatewayProxy): ApiGateway | undefined {
  const name = labels[WELL_KNOWN.gatewayName]
  const key = name === undefined ? undefined : gatewayOfLabel(snapshot, namespace, name)
  return key === undefined ? undefined : apiGateway(snapshot, key)
}

function clientCertificateKey({ gateway, grants }: ApiGateway): string | undefined {
  const reference = clientCertificateRef(gateway, grants)
  return reference && 'key' in reference ? reference.key : undefined
}

/** Keys of the Secrets that servers name, and of the one with the certificate for backends. */
const wantedSecrets = derive(
  'translate/gateway/wanted-secrets',
  (gateways: PersistentMap<Gateway>, api: ApiGateway | undefined, { namespace }: GatewayProxy): PersistentMap<true> => {
    const servers = [...gateways.values()].flatMap(({ spec }) => spec?.servers ?? [])
    const keys = servers.flatMap(({ tls }) => credentialKeys(tls, namespace))
    const certificates = api ? api.listeners.flatMap((each) => certificateKeys(each, api.grants)) : []
    const shown = api && clientCertificateKey(api)
    return PersistentMap.from([...keys, ...certificates, ...(shown ? [shown] : [])].map((key) => [key, true]))
  },
)

const bothWanted = deriveMap<[PersistentMap<true>, PersistentMap<true>], [GatewayProxy], true>(
  'translate/gateway/all-wanted-secrets',
  (_, [ofServers, ofClusters]) => ofServers ?? ofClusters,
)

const credentialsOf = deriveMap<[PersistentMap<true>, PersistentMap<Secret>], [GatewayProxy], Secret>(
  'translate/gateway/secrets',
  (_, [wanted, secret]) => (wanted ? secret : undefined),
)

/** Of the older Gateways first: they win where two claim the same. */
const serversOf = derive(
  'translate/gateway/servers',
  (
    gateways: PersistentMap<GatewayWithRules>,
    api: ApiGateway | undefined,
    credentials: Credentials,
    proxy: GatewayProxy,
  ): readonly Server[] => [
    ...(api ? apiServers(api, proxy, credentials) : []),
    ...[...gateways.values()]
      .sort((a, b) => byAge(a.gateway, b.gateway))
      .flatMap((gateway) => istioServers(gateway, proxy, credentials)),
  ],
)

const byName = <M>(resources: readonly EnvoyResource<M>[]) =>
  PersistentMap.from(resources.map((resource) => [resource.name, resource]))

const listenersOf = derive(
  'translate/gateway/listeners',
  (servers: readonly Server[], address: string, ipv6: boolean, paths: PathNormalization, providers: string) => {
    const settings = { paths, providers: JSON.parse(providers) as MeshProviders }
    const made = gatewayListeners(servers, address, settings)
    if (ipv6) for (const { message } of made) andIPv6(message)
    return byName(made)
  },
)
const routesOf = derive('translate/gateway/routes', (servers: readonly Server[]) =>
  byName(routeConfigurations(servers)),
)
const secretsOf = derive('translate/gateway/envoy-secrets', (credentials: Credentials) =>
  byName(envoySecrets(credentials)),
)

const encodedListeners = settled<Listener, [GatewayProxy, string, boolean]>(
  'listeners',
  encoder('listener', ListenerSchema),
)
const encodedRoutes = settled<RouteConfiguration, [GatewayProxy]>('routes', encoder('routes', RouteConfigurationSchema))
const encodedSecrets = settled<EnvoySecret, [GatewayProxy]>('secrets', encoder('secret', SecretSchema))

/** Encodes resources that are all made anew at once: those that came out as before stay what they were, and are not encoded again. */
function settled<M, Shared extends readonly unknown[]>(
  name: string,
  encode: (resource: EnvoyResource<M>) => EncodedResource,
) {
  type Made = PersistentMap<EnvoyResource<M>>
  const settle = deriveMap<[Made], Shared, EnvoyResource<M>>(
    `translate/gateway/${name}/settled`,
    (_, [made], ..._shared) => made,
  )
  const encoded = deriveMap<[Made], Shared, EncodedResource>(
    `translate/gateway/${name}/encoded`,
    (_, [resource], ..._shared) => resource && encode(resource),
  )
  return (made: Made, ...shared: Shared) => encoded([settle([made], ...shared)], ...shared)
}
