import { describe, expect, test } from 'vitest'
import type { Service } from './core.ts'
import { messageText } from './message.ts'
import { parseYaml } from './parse.ts'
import { KIND, ORIGIN } from './resource.ts'

/** The messages as people see them. */
function told(yaml: string | Uint8Array, options = {}): string[] {
  return parseYaml(yaml, 'a.yaml', options).messages.map(messageText)
}

function service(name: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: 80\n`
}

function names(yaml: string): string[] {
  return parseYaml(yaml, 'a.yaml').resources.map(({ metadata }) => metadata.name)
}

describe('what is right', () => {
  test('an object is what was written, with its kind, its place and its namespace', () => {
    const { resources, messages, complete, rejected } = parseYaml(service('reviews'), 'a.yaml', { namespace: 'shop' })
    expect(messages).toEqual([])
    expect({ complete, rejected }).toEqual({ complete: true, rejected: [] })
    expect(resources).toHaveLength(1)
    const [object] = resources
    expect(JSON.parse(JSON.stringify(object))).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'reviews', namespace: 'shop' },
      spec: { ports: [{ port: 80 }] },
    })
    expect(object?.[KIND]).toBe('core/Service')
    expect(object?.[ORIGIN]).toEqual({ file: 'a.yaml', line: 1, text: service('reviews') })
  })

  test('a namespace that is written stays, one of what is in none goes', () => {
    const yaml = `apiVersion: v1
kind: ServiceAccount
metadata: {name: a, namespace: b}
---
apiVersion: v1
kind: Namespace
metadata: {name: c, namespace: d}
`
    const { resources, messages } = parseYaml(yaml, 'a.yaml', { namespace: 'shop' })
    expect(resources.map(({ metadata }) => metadata)).toEqual([{ name: 'a', namespace: 'b' }, { name: 'c' }])
    expect(messages.map(messageText)).toEqual([
      'a.yaml:7:32: warning: Namespace c: metadata.namespace: a Namespace is in no namespace; leave it out [namespace-ignored]',
    ])
  })

  test('objects are frozen at every depth', () => {
    const { spec } = parseYaml(service('a'), 'a.yaml').resources[0] as Service
    expect(Object.isFrozen(spec)).toBe(true)
    const ports = spec?.ports as unknown as object[]
    expect(() => ports.push({})).toThrow(TypeError)
    expect(() => Object.assign(ports[0] as object, { port: 1 })).toThrow(TypeError)
  })

  test('many documents, empty ones and comments among them', () => {
    const yaml = `# first\n---\n${service('a')}---\n---\n# nothing\n--- # c\n${service('b')}...\n---\n`
    expect(names(yaml)).toEqual(['a', 'b'])
    expect(told(yaml)).toEqual([])
    expect(parseYaml('', 'a.yaml')).toEqual({ resources: [], messages: [], rejected: [], complete: true })
  })

  test('windows line ends, a byte order mark, JSON with tabs', () => {
    expect(names(`\uFEFF${service('a')}---\n${service('b')}`.replaceAll('\n', '\r\n'))).toEqual(['a', 'b'])
    expect(names('{\n\t"apiVersion": "v1",\n\t"kind": "Service",\n\t"metadata": {"name": "a"}\n}\n')).toEqual(['a'])
    expect(names('--- {apiVersion: v1, kind: Service, metadata: {name: a}}')).toEqual(['a'])
  })

  test('the marker of a document ends a text, as in YAML', () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  b: |\n    ---\n    c\n--- \n'
    expect(parseYaml(yaml, 'a.yaml').resources).toMatchObject([{ data: { b: '---\nc\n' } }])
  })

  test('Lists are what is in them', () => {
    const yaml = `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}}
- apiVersion: v1
  kind: ServiceList
  items: [{apiVersion: v1, kind: Service, metadata: {name: b}}]
`
    expect(names(yaml)).toEqual(['a', 'b'])
    expect(names('{apiVersion: v1, kind: List, items: []}')).toEqual([])
  })

  test('anchors, aliases and merged maps', () => {
    const yaml = `apiVersion: v1
kind: Service
metadata: {name: a, labels: &labels {app: a}}
spec:
  selector: {<<: *labels, version: v1}
  ports: [{port: 80}]
`
    expect(parseYaml(yaml, 'a.yaml').resources).toMatchObject([{ spec: { selector: { app: 'a', version: 'v1' } } }])
  })

  test('scalars mean what they do to Kubernetes', () => {
    const yaml = `apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: {on: "yes"}
  annotations: {day: 2020-01-01, time: 2020-01-01T00:00:00Z, sixty: 1:30}
  creationTimestamp: null
spec:
  hostNetwork: no
  containers: []
  volumes: [{name: b, secret: {secretName: c, defaultMode: 0644}}]
`
    expect(told(yaml)).toEqual([])
    const [{ metadata, spec } = {}] = JSON.parse(JSON.stringify(parseYaml(yaml, 'a.yaml').resources))
    expect(metadata).toEqual({
      name: 'a',
      namespace: 'default',
      labels: { on: 'yes' },
      annotations: { day: '2020-01-01', time: '2020-01-01T00:00:00Z', sixty: '1:30' },
    })
    expect(spec).toMatchObject({ hostNetwork: false, volumes: [{ secret: { defaultMode: 420 } }] })
  })

  test.each(['.', '-.', 'e1', 'e-2', '.e1'])('%s is a string, having no digit where a number has one', (text) => {
    const yaml = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: ${text}}\n`
    expect(told(yaml)).toEqual([])
    expect(parseYaml(yaml, 'a.yaml').resources).toMatchObject([{ data: { text } }])
  })
})

describe('broken YAML', () => {
  test('loses only its own document, and says that something could not be read', () => {
    const yaml = `${service('a')}---\nkind: Service\nmetadata:\n  name: b\n   labels: {}\n---\n${service('c')}`
    const { resources, complete } = parseYaml(yaml, 'a.yaml')
    expect(resources.map(({ metadata }) => metadata.name)).toEqual(['a', 'c'])
    expect(complete).toBe(false)
    expect(told(yaml)).toEqual([
      expect.stringMatching(/^a\.yaml:11:9: error: Service: a second "key: value" .* \[broken-yaml\]$/),
    ])
  })

  test.each([
    ['a: [1', 'a.yaml:1:6: error: a [ before this is not closed; add ], and indent every line before it [broken-yaml]'],
    [
      'a: {b: 1\n',
      'a.yaml:2:1: error: a { before this is not closed; add }, and indent every line before it [broken-yaml]',
    ],
    ['a: "x\n', 'a.yaml:2:1: error: a quote before this is not closed; add the missing quote [broken-yaml]'],
    ['a:\n\t- b', 'a.yaml:2:1: error: the line is indented with a tab; indent with spaces [broken-yaml]'],
    [
      'a: @b',
      'a.yaml:1:4: error: a plain value cannot start with this character; put the value in quotes [broken-yaml]',
    ],
    [
      'a: {{ .Values.a }}',
      'a.yaml:1:4: error: this is a template, with {{ }} still in it; render it first, for example with "helm template" [template-not-rendered]',
    ],
    [
      'a: *b',
      'a.yaml:1:4: error: the alias *b has no anchor before it in this document; mark the value with &b first, or put "*b" in quotes if it is no alias [broken-yaml]',
    ],
  ])('%j', (yaml, message) => {
    expect(told(yaml)).toEqual([message])
    expect(parseYaml(yaml, 'a.yaml').complete).toBe(false)
  })

  test('keys that are given twice are all named', () => {
    const yaml = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  name: b\nkind: Pod\n'
    expect(told(yaml)).toEqual([
      'a.yaml:5:3: error: Service a: this key is given twice in the same map; keep one of them [duplicate-key]',
      'a.yaml:6:1: error: Service a: this key is given twice in the same map; keep one of them [duplicate-key]',
    ])
  })

  test('aliases can neither explode nor go in circles', () => {
    const tenfold = (name: string) => `[${Array(10).fill(`*${name}`).join(', ')}]`
    const bomb = `a: &a [1]\nb: &b ${tenfold('a')}\nc: &c ${tenfold('b')}\nd: &d ${tenfold('c')}\ne: ${tenfold('d')}\n`
    expect(told(bomb)).toEqual([expect.stringContaining('[too-many-aliases]')])
    const circle = 'apiVersion: v1\nkind: Service\nmetadata: &a\n  name: x\n  labels: *a\n'
    expect(told(circle)).toEqual([expect.stringContaining('stand inside themselves')])
    const list = '- &x a\n'.concat('- *x\n'.repeat(900))
    expect(told(`apiVersion: v1\nkind: List\nitems:\n${list}`)).toHaveLength(901)
  })

  test('nesting has an end', () => {
    expect(told(`a: ${'['.repeat(50_000)}`)).toEqual([expect.stringContaining('nested too deeply')])
  })
})

describe('files that are none', () => {
  test('too large', () => {
    expect(told(service('a'), { maxBytes: 10 })).toEqual([
      expect.stringMatching(
        /^a\.yaml:1:1: error: the file has \d+ bytes, more than the 10 bytes that are read; .* \[file-too-large\]$/,
      ),
    ])
    expect(told(service('a'), { maxBytes: 1000 })).toEqual([])
    expect(parseYaml(service('a'), 'a.yaml', { maxBytes: 10 }).complete).toBe(false)
  })

  test('not UTF-8', () => {
    expect(told(Buffer.from([0x61, 0x3a, 0xff]))).toEqual([expect.stringContaining('the file is not text in UTF-8')])
    expect(told(Buffer.from('\uFEFFa: b', 'utf16le'))).toEqual([expect.stringContaining('is written in UTF-16')])
    expect(told(Buffer.from(service('ä')))).toEqual([expect.stringContaining('"ä" cannot be a name')])
  })

  test('not Kubernetes objects', () => {
    expect(told('replicas: 3\nimage: x\n')).toEqual([
      'a.yaml:1:1: warning: this has neither apiVersion nor kind: it is no Kubernetes object; add both, or keep it elsewhere if it is not meant to be one [not-an-object]',
    ])
    expect(parseYaml('replicas: 3\n', 'a.yaml').complete).toBe(true)
    expect(told('metadata: {name: a}\n')).toEqual([expect.stringMatching(/error: .* add both \[not-an-object\]$/)])
    expect(told('- a\n- b\n')).toEqual([expect.stringContaining('error: this is a list, not a Kubernetes object')])
    expect(told('hello')).toEqual([expect.stringContaining('error: this is a single value (string)')])
  })
})

describe('kinds', () => {
  test.each([
    ['networking.istio.io/v1', 'VirtualServce', 'error', 'kind', 'did you mean "VirtualService"?', 'unknown-kind'],
    [
      'networking.istio.io/v1',
      'HTTPRoute',
      'error',
      'kind',
      'write apiVersion: gateway.networking.k8s.io/v1',
      'unknown-kind',
    ],
    ['network.istio.io/v1', 'Sidecar', 'error', 'kind', 'write apiVersion: networking.istio.io/v1', 'unknown-kind'],
    ['v1', 'Deployment', 'error', 'kind', 'write apiVersion: apps/v1', 'unknown-kind'],
    [
      'networking.istio.io/v2',
      'Sidecar',
      'error',
      'apiVersion',
      'write apiVersion: networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3',
      'unsupported-version',
    ],
    [
      'rbac.istio.io/v1alpha1',
      'ServiceRole',
      'warning',
      'kind',
      'write an AuthorizationPolicy (security.istio.io/v1) instead: Istio dropped this kind',
      'kind-not-used',
    ],
    [
      'networking.k8s.io/v1',
      'Ingress',
      'warning',
      'kind',
      'write a Gateway and an HTTPRoute (gateway.networking.k8s.io/v1) instead',
      'kind-not-used',
    ],
    ['v1', 'PersistentVolumeClaim', 'info', 'kind', 'nothing needs to be done', 'kind-not-used'],
    ['rbac.authorization.k8s.io/v1', 'Role', 'info', 'kind', 'nothing needs to be done', 'kind-not-used'],
    ['serving.knative.dev/v1', 'Service', 'info', 'kind', 'nothing needs to be done', 'kind-not-used'],
  ])('%s %s: %s', (apiVersion, kind, severity, field, remedy, rule) => {
    const { messages, complete } = parseYaml(
      `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n`,
      'a.yaml',
    )
    expect(messages).toMatchObject([
      { rule, severity, field, remedy, object: `${kind} a`, position: { line: field === 'kind' ? 2 : 1 } },
    ])
    expect(complete).toBe(severity !== 'error')
  })

  test('apiVersion or kind is missing', () => {
    expect(told('kind: Gateway\nmetadata: {name: a}\n')).toEqual([
      'a.yaml:1:1: error: Gateway a: apiVersion: is missing; write apiVersion: networking.istio.io/v1 or gateway.networking.k8s.io/v1 [missing-field]',
    ])
    expect(told('apiVersion: v1\nmetadata: {name: a}\n')).toEqual([
      'a.yaml:1:1: error: kind: is missing; write the kind of the object, for example kind: Service [missing-field]',
    ])
  })
})

describe('names', () => {
  const bad = (kind: string, metadata: string) =>
    told(`apiVersion: v1\nkind: ${kind}\nmetadata: ${metadata}\n`).map((text) =>
      text.replace(/^a\.yaml:\d+:\d+: error: /, ''),
    )

  test('missing', () => {
    expect(bad('Service', '{}')).toEqual(['Service: metadata.name: is missing; give the object a name [missing-field]'])
    expect(bad('Service', '{generateName: a-}')).toEqual([expect.stringContaining('generateName needs an API server')])
    expect(bad('Service', '')).toEqual([
      'Service: metadata: is missing; write metadata with the name of the object [missing-field]',
    ])
    expect(bad('Service', '{name: 8}')).toEqual([
      expect.stringContaining('is the number 8, must be a string; put it in quotes: "8"'),
    ])
  })

  test('not DNS names', () => {
    expect(bad('Service', '{name: Reviews_V1}')).toEqual([
      'Service default/Reviews_V1: metadata.name: "Reviews_V1" cannot be a name; use lower case letters, digits and "-", with a letter or digit at both ends, for example "reviews-v1" [bad-name]',
    ])
    expect(bad('Service', '{name: a.b}')).toEqual([expect.stringContaining('"a.b" cannot be a name')])
    expect(bad('ConfigMap', '{name: a.b}')).toEqual([])
    expect(bad('ConfigMap', '{name: a..b}')).toEqual([expect.stringContaining('"a..b" cannot be a name')])
    expect(bad('ConfigMap', '{name: a, namespace: b.c}')).toEqual([
      expect.stringContaining('metadata.namespace: "b.c" cannot be a name'),
    ])
    expect(bad('Service', `{name: ${'a'.repeat(64)}}`)).toEqual([
      expect.stringContaining('has 64 characters, can have at most 63'),
    ])
  })
})

test('an object that is not valid is named, so that its last good version can stay', () => {
  const yaml = `${service('a')}---\n${service('b').replace('80', 'http')}---\n${service('c')}`
  const { resources, rejected, complete } = parseYaml(yaml, 'a.yaml')
  expect(resources.map(({ metadata }) => metadata.name)).toEqual(['a', 'c'])
  expect(rejected).toEqual([{ kind: 'core/Service', key: 'default/b' }])
  expect(complete).toBe(true)
})

test('one object fills no screen with its problems', () => {
  const ports = Array.from({ length: 50 }, () => '  - port: x\n').join('')
  const messages = told(`apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n${ports}`)
  expect(messages).toHaveLength(21)
  expect(messages.at(-1)).toContain('30 more problems are not shown')
})
