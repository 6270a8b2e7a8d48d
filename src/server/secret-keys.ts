import type { SecretKeys } from '../integrations/secrets.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import type { Store } from '../store/store.ts'

/** Keys of Secrets that stand in files. */
export function keysInStore(store: Store): SecretKeys {
  return async (namespace, name, key) => {
    const { data, stringData } = store.snapshot.get('core/Secret', `${namespace}/${name}`) ?? {}
    return stringData?.[key] ?? decoded(data?.[key])
  }
}

/** How long the API server may take, in ms. */
const ANSWER_MS = 10_000

/** Keys of Secrets of a cluster, read when they are needed and kept nowhere. */
export function keysInCluster(server: ApiServer): SecretKeys {
  return async (namespace, name, key) => {
    // By a list of one: Weft may list Secrets, and needs no right to get them.
    const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}` })
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets?${query}`
    const { items } = (await server.send({ method: 'GET', path, signal: AbortSignal.timeout(ANSWER_MS) })) as {
      readonly items: readonly { readonly data?: Readonly<Record<string, string>> }[]
    }
    return decoded(items[0]?.data?.[key])
  }
}

function decoded(value: string | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')
}
