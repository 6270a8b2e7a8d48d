import { MESH_CONFIG_MAP, writtenMeshConfig } from '../../mesh/mesh-config.ts'
import type { Check } from '../check.ts'

/** What is acted upon of Istio's MeshConfig, with the values for which that is so where it is not for all; what is as it is anyway counts as well. */
const SETTINGS: Readonly<Record<string, readonly string[] | true>> = {
  accessLogEncoding: ['TEXT'],
  accessLogFile: ['/dev/stdout'],
  discoverySelectors: true,
  connectTimeout: true,
  enableAutoMtls: ['true'],
  extensionProviders: true,
  localityLbSetting: true,
  tcpKeepalive: true,
  h2UpgradePolicy: true,
  outboundTrafficPolicy: true,
  pathNormalization: true,
  rootNamespace: ['istio-system'],
  trustDomain: ['cluster.local'],
}

export const meshConfigUnreadable: Check = {
  rule: 'mesh-config-unreadable',
  severity: 'error',
  about: 'The mesh config cannot be read: the defaults are in force.',
  *find(snapshot) {
    const resource = snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
    if (!resource) return
    try {
      writtenMeshConfig(resource)
    } catch (error) {
      const [problem = ''] = (error as Error).message.split('\n')
      yield {
        resource,
        path: ['data', 'mesh'],
        problem: `the mesh config cannot be read, and the defaults are in force: ${problem.replace(/[.:]$/, '')}`,
        remedy: "write a map of settings in YAML, as Istio's MeshConfig has them",
      }
    }
  },
}

export const meshSettingNotSupported: Check = {
  rule: 'mesh-setting-not-supported',
  severity: 'warning',
  about: 'The mesh config has a setting that Weft does not act on yet: it has no effect.',
  *find(snapshot) {
    const resource = snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
    if (!resource) return
    let written: Readonly<Record<string, unknown>>
    try {
      written = writtenMeshConfig(resource)
    } catch {
      return
    }
    for (const [name, value] of Object.entries(written)) {
      const taken = SETTINGS[name]
      if (taken === true || taken?.includes(String(value))) continue
      const shown = typeof value === 'object' ? name : `${name}: ${value}`
      yield {
        resource,
        path: ['data', 'mesh'],
        problem: `Weft does not act on "${shown}" yet: it has no effect`,
        remedy: 'remove it if nothing depends on it, or do not rely on it',
      }
    }
  },
}
