import { readFileSync } from 'node:fs'
import type { InstalledObject } from './installation.ts'
import type { Values } from './template.ts'

/** Definitions of kinds that Weft reads, as their projects publish them, by the setting that asks for them. */
const FILES: Readonly<Record<string, string>> = {
  'crds.istio': '../resources/vendor/istio.yaml',
  'crds.gatewayApi': '../resources/vendor/gateway-api.yaml',
}

/** The CustomResourceDefinitions that the settings ask for. Takes a second: the files are long. */
export async function definitions(values: Values): Promise<readonly InstalledObject[]> {
  const { parseAllDocuments } = await import('yaml')
  return Object.entries(FILES).flatMap(([setting, file]) => {
    if (values[setting] !== true) return []
    const documents = parseAllDocuments(readFileSync(new URL(file, import.meta.url), 'utf8'))
    return documents.flatMap((document) => ('toJS' in document ? [document.toJS() as InstalledObject] : []))
  })
}
