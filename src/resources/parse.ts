import type { Finding, Place } from './finding.ts'
import type { Message } from './message.ts'
import { locate, positionAt, writtenAt } from './position.ts'
import { type ObjectKey, type ReadOptions, readObject } from './read-object.ts'
import type { FieldPath, Origin, Resource } from './resource.ts'
import {
  type DocumentText,
  type ParsedDocument,
  parseDocumentText,
  plainValue,
  splitDocuments,
} from './yaml-document.ts'
import { aliasProblem, TOO_DEEP, type YamlProblem, yamlProblem } from './yaml-problem.ts'

export interface ParseOptions extends ReadOptions {
  /** Files of more bytes are refused; no limit where absent. */
  readonly maxBytes?: number
}

/** What a file holds. */
export interface Parsed {
  /** The valid objects, in their order in the file. */
  readonly resources: readonly Resource[]
  readonly messages: readonly Message[]
  /** Objects that are in the file but not valid: of these, what was valid before stays in force. */
  readonly rejected: readonly ObjectKey[]
  /**
   * Whether everything in the file could be told. If not, an object that was in it before and is not now may be in what
   * could not be read, and must not be taken as deleted.
   */
  readonly complete: boolean
}

/**
 * Reads the Kubernetes objects in a file of YAML or JSON. What is wrong with one document, or one item of a List, never
 * disturbs the others. Never throws.
 *
 * @param content the file's bytes, or its text where it was read as UTF-8 already
 * @param file the file's path as the user gave it, for messages
 */
export function parseYaml(content: string | Uint8Array, file: string, options: ParseOptions = {}): Parsed {
  const resources: Resource[] = []
  const messages: Message[] = []
  const rejected: ObjectKey[] = []
  const text = decode(content, options.maxBytes)
  if (typeof text !== 'string') {
    const message: Message = { severity: 'error', position: { file, line: 1, column: 1 }, ...text }
    return { resources, messages: [message], rejected, complete: false }
  }
  let complete = true
  for (const document of splitDocuments(text)) {
    const read = readDocument(document, file, messages)
    if (!read) {
      complete = false
      continue
    }
    for (const { value, path } of objectsIn(read.value)) {
      const origin: Origin = { file, line: document.line, text: document.text, ...(path.length > 0 ? { path } : {}) }
      const place: Place = {
        locate: (field, part) => locate(read.parsed, origin, [...path, ...field], part),
        written: (field) => writtenAt(read.parsed, [...path, ...field]),
      }
      const result = readObject(value, origin, place, options)
      messages.push(...result.messages)
      if (result.resource) resources.push(result.resource)
      else if (result.rejected) rejected.push(result.rejected)
      else if (!result.foreign) complete = false
    }
  }
  return { resources, messages, rejected, complete }
}

/** The value of a document; where it has none says why in `messages`. */
function readDocument(
  document: DocumentText,
  file: string,
  messages: Message[],
): { readonly value: unknown; readonly parsed: ParsedDocument } | undefined {
  const { text, line } = document
  const fail = ({ rule, problem, remedy, offset }: YamlProblem, parsed?: ParsedDocument) => {
    const position =
      parsed && offset !== undefined ? positionAt(text, { file, line }, offset) : { file, line, column: 1 }
    const object = parsed && nameOf(parsed)
    messages.push({ rule, severity: 'error', ...(object ? { object } : {}), position, problem, remedy })
  }
  let parsed: ParsedDocument
  try {
    parsed = parseDocumentText(text)
  } catch {
    fail(TOO_DEEP)
    return undefined
  }
  const { errors } = parsed.document
  if (errors.length > 0) {
    // After the first error the parser is often lost; keys given twice it survives.
    const first = errors[0]
    const told = errors.filter(
      (error) => error === first || (first?.code === 'DUPLICATE_KEY' && error.code === first.code),
    )
    for (const error of told) fail(yamlProblem(error.code, error.message, error.pos[0], text), parsed)
    return undefined
  }
  try {
    return { value: plainValue(parsed.document), parsed }
  } catch (error) {
    fail(error instanceof ReferenceError ? aliasProblem(error.message, text) : TOO_DEEP, parsed)
    return undefined
  }
}

/** What a broken document seems to be about. */
function nameOf({ document }: ParsedDocument): string | undefined {
  const at = (...path: string[]) => {
    const value = document.getIn(path)
    return typeof value === 'string' ? value : undefined
  }
  const kind = at('kind')
  const name = at('metadata', 'name')
  const namespace = at('metadata', 'namespace')
  return kind && name ? `${kind} ${namespace ? `${namespace}/` : ''}${name}` : kind
}

interface Item {
  readonly value: unknown
  readonly path: FieldPath
}

/** The objects of a document: itself, or the items of the List that it is. */
function* objectsIn(value: unknown, path: FieldPath = []): Generator<Item> {
  const list = value as { kind?: unknown; items?: unknown } | null
  if (
    typeof list === 'object' &&
    typeof list?.kind === 'string' &&
    list.kind.endsWith('List') &&
    Array.isArray(list.items)
  ) {
    for (const [index, item] of list.items.entries()) yield* objectsIn(item, [...path, 'items', index])
  } else if (value !== null && value !== undefined) {
    yield { value, path }
  }
}

/** A file's text, or why it has none. */
function decode(
  content: string | Uint8Array,
  maxBytes: number | undefined,
): string | Pick<Finding, 'rule' | 'problem' | 'remedy'> {
  const size = typeof content === 'string' ? Buffer.byteLength(content) : content.length
  if (maxBytes !== undefined && size > maxBytes) {
    return {
      rule: 'file-too-large',
      problem: `the file has ${megabytes(size)}, more than the ${megabytes(maxBytes)} that are read`,
      remedy: 'split it into smaller files, or keep what is no configuration elsewhere',
    }
  }
  if (typeof content === 'string') return content.replace(/^\uFEFF/, '')
  if ((content[0] === 0xff && content[1] === 0xfe) || (content[0] === 0xfe && content[1] === 0xff)) {
    return { rule: 'not-utf8', problem: 'the file is written in UTF-16', remedy: 'save it as UTF-8' }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    return {
      rule: 'not-utf8',
      problem: 'the file is not text in UTF-8',
      remedy: 'save it as UTF-8, or keep what is no YAML elsewhere',
    }
  }
}

function megabytes(bytes: number): string {
  return bytes < 1_000_000 ? `${bytes} bytes` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
