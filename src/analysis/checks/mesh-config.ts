import { MESH_CONFIG_MAP, writtenMeshConfig } from '../../mesh/mesh-config.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { fieldText } from '../../resources/message.ts'
import { MESH_CONFIG, MESH_SETTINGS, reasonAgainstSetting } from '../../resources/support/mesh-config.ts'
import { fieldsWithout } from '../../resources/support.ts'
import type { Check } from '../check.ts'

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
  about: 'The mesh config has a setting that Weft does not act on, or that Istio does not have: it has no effect.',
  *find(snapshot) {
    const resource = snapshot.get('core/ConfigMap', MESH_CONFIG_MAP)
    if (!resource) return
    let written: Readonly<Record<string, unknown>>
    try {
      written = writtenMeshConfig(resource)
    } catch {
      return
    }
    for (const path of fieldsWithout(written, MESH_CONFIG, [])) {
      const [setting = ''] = path
      const about = { resource, path: ['data', 'mesh'] }
      if (!MESH_SETTINGS.includes(String(setting))) {
        const problem = `MeshConfig has no setting "${setting}": it has no effect`
        const meant = closest(String(setting), MESH_SETTINGS)
        yield { ...about, problem, remedy: meant ? `write ${meant}` : 'remove it' }
        continue
      }
      const value = path.reduce<unknown>((within, part) => (within as Record<string | number, unknown>)[part], written)
      const shown = typeof value === 'object' ? fieldText(path) : `${fieldText(path)}: ${value}`
      const reason = reasonAgainstSetting(path.filter((part) => typeof part === 'string').join('.'))
      yield {
        ...about,
        problem: `Weft does not act on "${shown}": it has no effect${reason ? ` (${reason})` : ''}`,
        remedy: 'remove it if nothing depends on it, or do not rely on it',
      }
    }
  },
}
