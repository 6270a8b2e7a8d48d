import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { proxyConfigsOf } from '../mesh/proxy-configs.ts'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import type { PodTemplate } from '../resources/core.ts'
import { messageText } from '../resources/message.ts'
import { type Injection, inject } from './inject.ts'
import { DEFAULT_SETTINGS, type InjectionSettings, type Texts } from './settings.ts'
import { workloadOf } from './workload.ts'

// Each `NAME.in.yaml` holds what a namespace and an installation are like, then an object that makes pods, then ProxyConfigs; `NAME.out.yaml` what becomes of
// its template.
// UPDATE_GOLDEN=1 writes what comes out.

const FOLDER = fileURLToPath(new URL('testdata', import.meta.url))

interface Setup {
  readonly namespace?: { readonly name: string; readonly labels?: Texts }
  readonly settings?: Partial<InjectionSettings>
}

function injected(file: string, pod?: PodTemplate): Injection {
  const [setup, object, ...proxyConfigs] = parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((each) =>
    each.toJS(),
  )
  const workload = workloadOf(object)
  if (!workload) throw new Error(`${file} has no workload`)
  const { namespace = { name: 'shop', labels: { 'istio-injection': 'enabled' } }, settings } = setup as Setup
  const { kind, name, template } = workload
  const text = `${kind} ${namespace.name}/${name}`
  const snapshot = snapshotOfYaml(...proxyConfigs.map((each) => JSON.stringify(each)))
  const known =
    proxyConfigs.length > 0
      ? { proxyConfigs: proxyConfigsOf(snapshot, namespace.name, template.metadata?.labels ?? {}) }
      : {}
  const request = { pod: pod ?? template, namespace, workload: name, object: text, ...known }
  return inject(request, { ...DEFAULT_SETTINGS, ...settings })
}

interface ListenerJson {
  readonly address: {
    readonly socketAddress?: { readonly portValue: number }
    readonly pipe?: { readonly path: string }
  }
}

/** The proxy's bootstrap is long, and has tests of its own: here only what differs between pods. */
function shown(injection: Injection): string {
  if (injection.outcome === 'left alone') return `# left alone: ${injection.reason}\n`
  const messages = injection.messages.map((message) => `# ${messageText(message)}\n`).join('')
  if (injection.outcome === 'refused') return `# refused\n${messages}`
  const text = JSON.stringify(injection.pod, (key, value) => (key === 'args' ? value.map(bootstrapInShort) : value))
  return `# ${injection.role}\n${messages}${stringify(JSON.parse(text), { lineWidth: 0, aliasDuplicateObjects: false })}`
}

function bootstrapInShort(argument: string): string {
  if (!argument.startsWith('{')) return argument
  const { node, staticResources } = JSON.parse(argument)
  const ports = staticResources.listeners.map(
    ({ address: { socketAddress, pipe } }: ListenerJson) => socketAddress?.portValue ?? pipe?.path,
  )
  return `bootstrap of ${node.id} with ports ${ports.join(', ')}`
}

describe('golden pairs', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), () => {
      const text = shown(injected(file))
      const output = join(FOLDER, file.replace('.in.', '.out.'))
      if (process.env['UPDATE_GOLDEN']) writeFileSync(output, text)
      expect(text).toBe(readFileSync(output, 'utf8'))
    })

    it(`${file.replace('.in.yaml', '')}, a second time`, () => {
      const first = injected(file)
      if (first.outcome !== 'injected') return
      const second = injected(file, first.pod)
      if (second.outcome === 'injected') expect(second).toEqual(first)
      else expect(second).toMatchObject({ outcome: 'left alone', reason: expect.stringContaining('a proxy already') })
    })
  }
})
