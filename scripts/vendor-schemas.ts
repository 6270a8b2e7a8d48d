/**
 * Refreshes `src/resources/vendor/` from the published sources, for maintainers (needs Go, for its modules, and unzip):
 * `npx node scripts/vendor-schemas.ts`. Users of a checkout never need it: its output is committed.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ISTIO = 'istio.io/api@v1.31.1'
const GATEWAY_API = 'sigs.k8s.io/gateway-api@v1.7.0'
const KUBERNETES = 'k8s.io/kubernetes@v1.36.3'

/** The core kinds of `src/resources/kinds.ts`; what they refer to comes along. */
const CORE_KINDS = [
  'io.k8s.api.core.v1.Namespace',
  'io.k8s.api.core.v1.Service',
  'io.k8s.api.core.v1.ServiceAccount',
  'io.k8s.api.core.v1.Pod',
  'io.k8s.api.core.v1.Node',
  'io.k8s.api.core.v1.Secret',
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.apps.v1.Deployment',
  'io.k8s.api.discovery.v1.EndpointSlice',
]

const vendor = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src/resources/vendor')

mkdirSync(vendor, { recursive: true })
write('istio.yaml', ISTIO, read(ISTIO, 'kubernetes/customresourcedefinitions.gen.yaml'))
write('gateway-api.yaml', GATEWAY_API, gatewayApi())
writeFileSync(join(vendor, 'kubernetes.json'), kubernetes())

/** The experimental channel: it holds every kind and field of the standard one. */
function gatewayApi(): string {
  const texts = read(GATEWAY_API, 'config/crd/experimental/gateway.networking.k8s.io_*s.yaml', '*_vap_*')
  return texts.replace(/^apiVersion: /gm, '---\n$&')
}

/** The definitions that the core kinds reach, without the prose (the whole file is 4 MB). */
function kubernetes(): string {
  const { definitions } = JSON.parse(read(KUBERNETES, 'api/openapi-spec/swagger.json')) as {
    definitions: Record<string, unknown>
  }
  const kept: Record<string, unknown> = {}
  const keep = (name: string): void => {
    if (name in kept) return
    const definition = withoutProse(definitions[name])
    kept[name] = definition
    for (const [, reference] of JSON.stringify(definition).matchAll(/"#\/definitions\/([^"]+)"/g))
      keep(String(reference))
  }
  for (const name of CORE_KINDS) keep(name)
  const sorted = Object.fromEntries(Object.entries(kept).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ source: KUBERNETES, definitions: sorted }, null, 1)}\n`
}

/** A schema without its `description`s; a property that is called `description` stays. */
function withoutProse(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutProse)
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).filter(
    ([key, value]) =>
      !(key === 'description' && typeof value === 'string') && key !== 'x-kubernetes-group-version-kind',
  )
  return Object.fromEntries(entries.map(([key, value]) => [key, withoutProse(value)]))
}

function write(name: string, source: string, text: string): void {
  writeFileSync(
    join(vendor, name),
    `# From ${source}; refreshed by scripts/vendor-schemas.ts, not edited by hand.\n${text}`,
  )
}

/**
 * The text of a file of a Go module; a pattern gives all that it matches, one after the other.
 * Read from the module's zip: unpacked, Go wants to have as new a version as the module is written for.
 */
function read(module: string, path: string, except = ''): string {
  const download = spawnSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' })
  if (download.error) throw new Error(`go mod download ${module}: ${download.error.message}`)
  const { Zip, Error: problem } = JSON.parse(download.stdout) as { Zip?: string; Error?: string }
  if (!Zip) throw new Error(`go mod download ${module}: ${problem}`)
  const unzip = spawnSync('unzip', ['-p', Zip, `${module}/${path}`, '-x', except], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (unzip.status !== 0) throw new Error(`unzip ${Zip} ${path}: ${unzip.error?.message ?? unzip.stderr}`)
  return unzip.stdout
}
