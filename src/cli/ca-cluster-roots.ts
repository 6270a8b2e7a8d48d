import { podsWithProxy } from '../install/proxies.ts'
import { INJECTOR_WEBHOOK, ROOT_CERT_CONFIG_MAP, ROOT_CERT_KEY, VALIDATOR_WEBHOOK } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { listLive, readLive } from '../sources/kubernetes/write.ts'
import { ClusterMesh } from './cluster-mesh.ts'
import type { Mesh } from './mesh.ts'

/** The mesh with the servers that it has now: others may have come since it was last looked at. */
export function meshAsItIs(server: ApiServer): Mesh {
  return new ClusterMesh(server)
}

/** `namespace/pod` of those that have a proxy, and have not ended. Throws ApiError. */
export async function proxiesInCluster(server: ApiServer): Promise<readonly string[]> {
  const ended = new Set(['Succeeded', 'Failed'])
  const pods = (await podsWithProxy(server)).filter((pod) => {
    const { phase = '' } = (pod['status'] ?? {}) as { readonly phase?: string }
    return !ended.has(phase)
  })
  return pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
}

/** What in a cluster has other roots than these: ConfigMaps from which proxies know their agents, and webhooks. Throws ApiError. */
export async function behindInCluster(server: ApiServer, trustBundlePem: string): Promise<readonly string[]> {
  const fieldSelector = `metadata.name=${ROOT_CERT_CONFIG_MAP}`
  const configMaps = await listLive(server, { apiVersion: 'v1', kind: 'ConfigMap' }, { fieldSelector })
  const webhooks = await Promise.all(
    (
      [
        ['MutatingWebhookConfiguration', INJECTOR_WEBHOOK],
        ['ValidatingWebhookConfiguration', VALIDATOR_WEBHOOK],
      ] as const
    ).map(([kind, name]) =>
      readLive(server, { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name } }),
    ),
  )
  const caBundle = Buffer.from(trustBundlePem).toString('base64')
  return [
    ...configMaps
      .filter(
        (configMap) => (configMap['data'] as Record<string, string> | undefined)?.[ROOT_CERT_KEY] !== trustBundlePem,
      )
      .map(({ metadata }) => `the roots in namespace ${metadata.namespace}`),
    ...webhooks
      .filter((configuration) =>
        ((configuration?.['webhooks'] ?? []) as { clientConfig: { caBundle?: string } }[]).some(
          ({ clientConfig }) => clientConfig.caBundle !== caBundle,
        ),
      )
      .map((configuration) => `the caBundle of webhook ${configuration?.metadata.name}`),
  ]
}
