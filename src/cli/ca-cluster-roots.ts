import { INJECTOR_WEBHOOK, ROOT_CERT_CONFIG_MAP, ROOT_CERT_KEY, VALIDATOR_WEBHOOK } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { listLive, readLive } from '../sources/kubernetes/write.ts'

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
