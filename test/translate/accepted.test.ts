import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { BootstrapSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import type { Cluster } from '#envoy/config/cluster/v3/cluster'
import type { Listener } from '#envoy/config/listener/v3/listener'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { workloadNames } from '../../src/mesh/workload-names.ts'
import { workloads } from '../../src/mesh/workloads.ts'
import { bootstrapOf } from '../../src/translate/bootstrap.ts'
import { SDS_CLUSTER } from '../../src/translate/config-source.ts'
import type { ResourceType } from '../../src/translate/encoded-resource.ts'
import { envoyJson } from '../../src/translate/envoy-json.ts'
import { QUIET_ABOUT_WASM } from '../../src/translate/metrics/metric-names.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'
import { tracedAs } from '../../src/translate/reporting/traced-as.ts'
import { snapshotOfYaml } from '../../src/translate/routes/snapshot-of-yaml.ts'
import { withoutNoCode } from './no-code.ts'

// A real Envoy checks all that sidecars get for the inputs of the golden pairs.

const GOLDEN = fileURLToPath(new URL('../../src/translate/testdata', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'weft-accepted-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each(readdirSync(GOLDEN).filter((name) => name.endsWith('.in.yaml')))(
  'Envoy takes what %s becomes',
  async (name) => {
    // Certificates that are files in the proxy's own pod are not here.
    const input = readFileSync(join(GOLDEN, name), 'utf8')
      .replace(/tls:\s*\{\s*mode: MUTUAL[^}]*\}/, 'tls: { mode: SIMPLE }')
      .replace(/, ca(Certificates|Crl): [^,} ]+/g, '')
    const snapshot = snapshotOfYaml(input)
    for (const workload of workloads(snapshot).values()) {
      const { role, name: pod, namespace, address, key } = workload
      const resources = proxyResources(snapshot, key)
      const messages = <M>(type: ResourceType) =>
        (resources?.[type] ?? []).flatMap((layer) => [...layer.values()].map(({ message }) => message as M))
      const [adminSocket, sdsSocket] = [join(folder, 'admin'), join(folder, 'sds')]
      const server = { host: '10.0.0.1', port: 15012 }
      const bootstrap = bootstrapOf({ role, pod, namespace, address, adminSocket, sdsSocket, server })
      bootstrap.staticResources?.clusters.push(...messages<Cluster>('cluster'))
      bootstrap.staticResources?.listeners.push(...messages<Listener>('listener'))
      const file = join(folder, 'config.json')
      writeFileSync(file, JSON.stringify(envoyJson(BootstrapSchema, bootstrap), checkable))
      const env = { ...process.env, ...tracedAs(workloadNames({}, pod), namespace) }
      const args = ['--mode', 'validate', '-l', 'warning', '--component-log-level', QUIET_ABOUT_WASM, '-c', file]
      const { stdout, stderr } = await promisify(execFile)(await findEnvoy(), args, { env })
      // Where it only checks, it has no clusters yet when it would fetch keys.
      const said = withoutNoCode(stderr).replaceAll(/^.*jwks_(async_)?fetcher\.cc.*\n/gm, '')
      expect({ key, stdout, said }).toEqual({ key, stdout: expect.stringContaining(' OK'), said: '' })
    }
  },
)

/** Envoy 1.40 crashes on some things when it does nothing but check them; live tests have them. */
function checkable(key: string, value: unknown): unknown {
  // The loggers of metrics.
  if (key === 'accessLog' && Array.isArray(value))
    return value.filter((logger) => !JSON.stringify(logger).includes('envoy.extensions.access_loggers.stats.v3.Config'))
  // Keys that come with the configuration, of clusters that a bootstrap has from the beginning, before it has a stream.
  if (key === 'sdsConfig' && JSON.stringify(value).includes('"ads"')) return FROM_SOCKET
  return value
}

const FROM_SOCKET = {
  apiConfigSource: {
    apiType: 'GRPC',
    transportApiVersion: 'V3',
    grpcServices: [{ envoyGrpc: { clusterName: SDS_CLUSTER } }],
  },
  resourceApiVersion: 'V3',
  initialFetchTimeout: '0s',
}
