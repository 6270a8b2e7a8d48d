import { type Document, isCollection } from 'yaml'
import type { ProxyConfigs } from '../mesh/proxy-configs.ts'
import type { Message } from '../resources/message.ts'
import { locate, positionAt } from '../resources/position.ts'
import type { FieldPath } from '../resources/resource.ts'
import {
  type DocumentText,
  type ParsedDocument,
  parseDocumentText,
  plainValue,
  splitDocuments,
} from '../resources/yaml-document.ts'
import { TOO_DEEP, yamlProblem } from '../resources/yaml-problem.ts'
import { type Injection, inject } from './inject.ts'
import { difference, type Operation } from './json-patch.ts'
import type { InjectionSettings, Texts } from './settings.ts'
import { type Workload, workloadOf } from './workload.ts'

export interface YamlInjection {
  /** The file with proxies in it. What gets none stays as it was written, comments included. */
  readonly text: string
  /** What became of what makes pods. */
  readonly results: readonly { readonly object: string; readonly injection: Injection }[]
  /** On documents that cannot be read. */
  readonly messages: readonly Message[]
}

export interface YamlInjectionOptions {
  /** The file's path as the user gave it, for messages. */
  readonly file: string
  /** Of objects that name none. */
  readonly namespace: string
  /** Labels that a namespace has. */
  readonly namespaceLabels: (name: string) => Texts
  /** What ProxyConfigs say of the proxy of a pod with these labels. */
  readonly proxyConfigs?: (namespace: string, labels: Texts) => ProxyConfigs
}

/** Gives the pods of a file of YAML or JSON their proxies. */
export function injectYaml(text: string, options: YamlInjectionOptions, settings: InjectionSettings): YamlInjection {
  const results: { object: string; injection: Injection }[] = []
  const messages: Message[] = []
  const texts = splitDocuments(text).map((document) => {
    const read = readDocument(document, options.file)
    if ('rule' in read) {
      messages.push(read)
      return document.text
    }
    const operations: Operation[] = []
    for (const { value, path } of objectsIn(read.value)) {
      const workload = workloadOf(value)
      if (!workload) continue
      const at = [...path, ...workload.path]
      const namespace = workload.namespace ?? options.namespace
      const object = `${workload.kind} ${namespace}/${workload.name}`
      const injection = injectWorkload(workload, object, namespace)
      results.push({ object, injection })
      if (injection.outcome === 'injected') operations.push(...difference(workload.template, injection.pod, at))

      function injectWorkload({ template, name }: Workload, object: string, namespace: string): Injection {
        const labels = options.namespaceLabels(namespace)
        const proxyConfigs = options.proxyConfigs?.(namespace, template.metadata?.labels ?? {})
        const place = { file: options.file, line: document.line, text: document.text }
        return inject(
          {
            pod: template,
            namespace: { name: namespace, labels },
            workload: name,
            ...(proxyConfigs ? { proxyConfigs } : {}),
            object,
            locate: (field) => locate((read as Read).parsed, place, [...at, ...field], 'value'),
          },
          settings,
        )
      }
    }
    return operations.length > 0 ? changed(document.text, read, operations) : document.text
  })
  return { text: texts.map(endOfLine).join('---\n'), results, messages }
}

interface Read {
  readonly parsed: ParsedDocument
  readonly value: unknown
}

function readDocument({ text, line }: DocumentText, file: string): Read | Message {
  const start = { file, line, column: 1 }
  try {
    const parsed = parseDocumentText(text)
    const [error] = parsed.document.errors
    if (!error) return { parsed, value: plainValue(parsed.document) }
    const { offset, ...problem } = yamlProblem(error.code, error.message, error.pos[0], text)
    const position = offset === undefined ? start : positionAt(text, { file, line }, offset)
    return { severity: 'error', position, ...problem }
  } catch {
    const { offset: _, ...problem } = TOO_DEEP
    return { severity: 'error', position: start, ...problem }
  }
}

/** The labels of namespaces that a file holds. */
export function namespacesIn(text: string): Map<string, Texts> {
  const found = new Map<string, Texts>()
  for (const document of splitDocuments(text)) {
    const read = readDocument(document, '')
    if ('rule' in read) continue
    for (const { value } of objectsIn(read.value)) {
      const { kind, metadata } = (value ?? {}) as { kind?: unknown; metadata?: { name?: unknown; labels?: Texts } }
      if (kind === 'Namespace' && typeof metadata?.name === 'string') found.set(metadata.name, metadata.labels ?? {})
    }
  }
  return found
}

/** The objects of a document: itself, or the items of the List that it is. */
function* objectsIn(value: unknown, path: FieldPath = []): Generator<{ value: unknown; path: FieldPath }> {
  const { kind, items } = (value ?? {}) as { kind?: unknown; items?: unknown }
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items))
    for (const [i, item] of items.entries()) yield* objectsIn(item, [...path, 'items', i])
  else yield { value, path }
}

function changed(text: string, { parsed, value }: Read, operations: readonly Operation[]): string {
  const { document } = parsed
  if (text.trimStart().startsWith('{')) return `${JSON.stringify(applied(value, operations), null, 2)}\n`
  // To change what an alias stands for would change it elsewhere, too.
  if (/[&*]/.test(text) && hasAliases(document))
    document.contents = document.createNode(applied(value, operations)) as never
  else for (const operation of operations) change(document, operation)
  return document.toString({ lineWidth: 0 })
}

function hasAliases(document: Document): boolean {
  let found = false
  document.toJS({
    onAnchor: () => {
      found = true
    },
  })
  return found
}

function change(document: Document, operation: Operation): void {
  const { op, path } = operation
  // What grows is no longer written on one line.
  for (let length = 0; length < path.length; length++) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
    if (isCollection(node)) node.flow = false
  }
  if (op === 'remove') document.deleteIn(path)
  else document.setIn(path, document.createNode(operation.value, { aliasDuplicateObjects: false }))
}

function applied(value: unknown, operations: readonly Operation[]): unknown {
  type Fields = Record<string | number, unknown>
  // Not a structured clone: in that, what an alias stands for would stay one object.
  const result: unknown = JSON.parse(JSON.stringify(value))
  for (const operation of operations) {
    const last = operation.path.at(-1)
    if (last === undefined) continue
    const parent = operation.path.slice(0, -1).reduce((inner, part) => inner[part] as Fields, result as Fields)
    if (operation.op === 'remove') delete parent[last]
    else parent[last] = operation.value
  }
  return result
}

function endOfLine(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
