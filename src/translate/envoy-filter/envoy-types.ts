import { createRequire } from 'node:module'
import type { Registry } from '@bufbuild/protobuf'

let loaded: Registry | undefined

/** Every type of Envoy's API. Loading them takes most of a second, so that is left until somebody writes something that names them. */
export function envoyTypes(): Registry {
  loaded ??= (createRequire(import.meta.url)('#proto/registry') as { registry: Registry }).registry
  return loaded
}
