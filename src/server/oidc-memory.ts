import { readFileSync } from 'node:fs'
import { writeAtomically } from '../identity/private-files.ts'
import type { KnownProviders } from '../mesh/sign-on/known-providers.ts'
import { OIDC_PROVIDERS_CONFIG_MAP } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { applyObject, readLive } from '../sources/kubernetes/write.ts'
import type { ProviderMemory } from './oidc-providers.ts'

/** What is known of OpenID providers in a file. */
export function providersInFile(file: string): ProviderMemory {
  return {
    async read() {
      try {
        return JSON.parse(readFileSync(file, 'utf8')) as KnownProviders
      } catch {
        return {} // the first start of this mesh
      }
    },
    async write(known) {
      writeAtomically(file, JSON.stringify(known))
    },
  }
}

const FIELD = 'providers'

/** The same in a ConfigMap of Weft's own namespace, which all servers share. */
export function providersInCluster(server: ApiServer, namespace: string): ProviderMemory {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: OIDC_PROVIDERS_CONFIG_MAP, namespace },
  }
  return {
    async read() {
      const live = await readLive(server, object)
      const text = (live?.['data'] as Readonly<Record<string, string>> | undefined)?.[FIELD]
      return text === undefined ? {} : (JSON.parse(text) as KnownProviders)
    },
    async write(known) {
      await applyObject(server, { ...object, data: { [FIELD]: JSON.stringify(known) } })
    },
  }
}
