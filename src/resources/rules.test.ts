import { expect, test } from 'vitest'
import { parseYaml } from './parse.ts'
import { RESOURCE_RULES, type ResourceRule } from './rules.ts'

const object = (kind: string, spec = '{}', metadata = '{name: a}', apiVersion = 'v1') =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`
const istio = (kind: string, spec: string) => object(kind, spec, '{name: a}', 'networking.istio.io/v1')
const route = (spec: string) => object('HTTPRoute', spec, '{name: a}', 'gateway.networking.k8s.io/v1')
const hostnames = (...names: string[]) => route(`{hostnames: [${names.join(', ')}]}`)

/** The least that each rule is told for. */
const PROVOKED: Readonly<Record<ResourceRule, string | Uint8Array>> = {
  'bad-name': object('Service', '{}', '{name: A}'),
  'broken-yaml': 'a: [',
  'duplicate-item': route('{rules: [{retry: {codes: [503, 503]}}]}'),
  'duplicate-key': 'a: 1\na: 2\n',
  'exclusive-fields': istio('VirtualService', '{http: [{match: [{uri: {exact: a, prefix: b}}]}]}'),
  'file-too-large': `# ${'x'.repeat(20_000)}`,
  'kind-not-used': object('Job', '{}', '{name: a}', 'batch/v1'),
  'missing-field': istio('DestinationRule', '{}'),
  'more-problems': object('Service', `{ports: [${Array(30).fill('{}').join(', ')}]}`),
  'namespace-ignored': object('Namespace', '{}', '{name: a, namespace: b}'),
  'not-allowed-value': object('Service', '{type: Internal}'),
  'not-an-object': '- a\n',
  'not-utf8': Buffer.from([0xff]),
  'out-of-range': object('Service', '{ports: [{port: 0}]}'),
  'template-not-rendered': 'a: {{ .Values.a }}\n',
  'too-long': hostnames(...Array.from({ length: 17 }, (_, i) => `a${i}.com`)),
  'too-many-aliases': `a: &a [1]\nb: [${Array(2000).fill('*a').join(', ')}]\n`,
  'too-short': hostnames('""'),
  'unknown-field': object('Service', '{port: []}'),
  'unknown-kind': object('Srevice'),
  'unsupported-version': object('Deployment', '{}', '{name: a}', 'apps/v1beta1'),
  'wrong-format': hostnames('A.com'),
  'wrong-type': object('Service', '{ports: 80}'),
}

test.each(Object.keys(RESOURCE_RULES) as ResourceRule[])('%s', (rule) => {
  const { messages } = parseYaml(PROVOKED[rule], 'a.yaml', { maxBytes: 15_000 })
  expect(messages.map((message) => message.rule)).toContain(rule)
})
