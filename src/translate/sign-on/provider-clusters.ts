import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { SignOn } from '../../mesh/sign-on/oidc-policies.ts'
import { deriveFlatMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { serviceCluster } from '../jwt/authentication-layers.ts'
import { type KeyServer, keyServer, keyServerResource } from '../jwt/key-server.ts'

/** By which cluster the URLs of providers are called that are services of the mesh; those of others go by `providerCluster`. */
export type MeshProviders = Readonly<Record<string, string>>

/** As text, which is the same for the same: the JSON of MeshProviders. */
export function meshProviders(snapshot: Snapshot, namespace: string, signOns: PersistentMap<SignOn>): string {
  const found: Record<string, string> = {}
  for (const url of [...signOns.values()].flatMap(urlsOf)) {
    const server = keyServer(url)
    const cluster = server && serviceCluster(snapshot, namespace, server)
    if (cluster !== undefined) found[url] = cluster
  }
  return JSON.stringify(found)
}

/** What a URL of a provider is called by. */
export function providerClusterOf(url: string, meshProviders: MeshProviders): string {
  const server = keyServer(url)
  return meshProviders[url] ?? (server ? providerCluster(server) : '')
}

/** Clusters for providers outside the mesh. */
export function providerClusters(signOns: PersistentMap<SignOn>): PersistentMap<EncodedResource> {
  return clusters([signOns])
}

const encode = encoder('cluster', ClusterSchema)

const clusters = deriveFlatMap<[PersistentMap<SignOn>], [], EncodedResource>(
  'translate/sign-on/clusters',
  (_, [signOn]) =>
    signOn
      ? urlsOf(signOn).flatMap((url) => {
          const server = keyServer(url)
          if (!server) return []
          const name = providerCluster(server)
          const message = keyServerResource(server, name)
          return [[name, encode({ name, message, sources: [signOn.policy] })] as const]
        })
      : [],
)

/** Those that gateways call themselves. */
function urlsOf({ ready }: SignOn): readonly string[] {
  return 'problem' in ready ? [] : [ready.endpoints.token, ready.endpoints.jwks]
}

function providerCluster({ host, port, tls }: KeyServer): string {
  return `${tls ? 'oidc-tls' : 'oidc'}|${port}||${host}`
}
