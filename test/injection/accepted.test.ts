import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { gatewayPodTemplate } from '../../src/injection/gateway-pod.ts'
import { inject } from '../../src/injection/inject.ts'
import { DEFAULT_SETTINGS } from '../../src/injection/settings.ts'
import { workloadOf } from '../../src/injection/workload.ts'
import { IDENTITY_FOLDER } from '../../src/resources/cluster-names.ts'
import type { PodTemplate } from '../../src/resources/core.ts'
import { rootsFile } from '../../src/translate/agent-connection.ts'
import { selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { withoutNoCode } from '../translate/no-code.ts'
import { proxyArguments } from './injected-pod.ts'

// A real Envoy checks the arguments that it is given in pods, those of the golden pairs that differ in them.

const GOLDEN = fileURLToPath(new URL('../../src/injection/testdata', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'weft-accepted-'))
afterAll(() => rmSync(folder, { recursive: true }))

const names = readdirSync(GOLDEN).flatMap(
  (file) => /^(deployment|probes|proxy-config|gateway|custom-.*)\.in\.yaml$/.exec(file)?.[1] ?? [],
)

function injected(name: string): PodTemplate {
  const [setup, object] = parseAllDocuments(readFileSync(join(GOLDEN, `${name}.in.yaml`), 'utf8')).map((each) =>
    each.toJS(),
  )
  const pod = workloadOf(object)?.template
  if (!pod) throw new Error(`${name} makes no pods`)
  const namespace = setup.namespace ?? { name: 'shop', labels: { 'istio-injection': 'enabled' } }
  const injection = inject({ pod, namespace, object: name }, DEFAULT_SETTINGS)
  if (injection.outcome !== 'injected') throw new Error(JSON.stringify(injection))
  return injection.pod
}

async function isAccepted(pod: PodTemplate): Promise<void> {
  writeFileSync(join(folder, 'root-cert.pem'), (await selfSigned('root')).certificate)
  writeFileSync(join(folder, 'token'), 'token')
  writeFileSync(join(folder, 'roots.json'), rootsFile().replaceAll(IDENTITY_FOLDER, folder))
  const args = proxyArguments(pod).map((argument) => argument.replaceAll(IDENTITY_FOLDER, folder))
  for (const argument of args) expect(argument).not.toMatch(/\$\(/)
  const { stdout, stderr } = await promisify(execFile)(await findEnvoy(), ['--mode', 'validate', ...args])
  const said = withoutNoCode(stderr)
  expect({ stdout, said }).toEqual({ stdout: expect.stringContaining(' OK'), said: '' })
}

test.each(names)('Envoy takes what it is given in %s', async (name) => isAccepted(injected(name)))

test('Envoy takes what it is given in the pod of a Gateway', () =>
  isAccepted(gatewayPodTemplate({ labels: {}, serviceAccountName: 'edge', ports: [] })))
