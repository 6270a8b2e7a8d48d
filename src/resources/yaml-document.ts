import { type Document, parseDocument } from 'yaml'

/** One document of a file. */
export interface DocumentText {
  readonly text: string
  /** Line of the text's first line in the file, from 1. */
  readonly line: number
}

/** A parsed document in which places can be found. */
export interface ParsedDocument {
  readonly document: Document.Parsed
  readonly text: string
}

/**
 * Cuts a file at its `---` and `...` lines, as kubectl does: in YAML these end a document even inside a scalar, so that a
 * broken document cannot take the next one with it.
 */
export function splitDocuments(text: string): DocumentText[] {
  const documents: DocumentText[] = []
  let from = 0
  let fromLine = 1
  let line = 1
  const end = (at: number) => {
    if (at > from) documents.push({ text: text.slice(from, at), line: fromLine })
  }
  for (let start = 0; start <= text.length; line++) {
    const newline = text.indexOf('\n', start)
    const next = newline < 0 ? text.length + 1 : newline + 1
    const marker = text.startsWith('---', start) || text.startsWith('...', start)
    if (marker && /^$|[ \t\r\n]/.test(text.charAt(start + 3))) {
      end(start)
      const rest = text.slice(start + 3, next - 1)
      // Content on the marker's own line (`--- {kind: ...}`) belongs to the document: then the marker stays.
      const content = text.startsWith('---', start) && /^\s*[^#\s]/.test(rest)
      from = content ? start : next
      fromLine = content ? line : line + 1
    }
    start = next
  }
  end(text.length)
  return documents.filter((document) => !isEmpty(document.text))
}

/** Whether there are only comments, directives and blank lines. */
function isEmpty(text: string): boolean {
  return /^(?:[ \t]*(?:[#%][^\n]*)?\r?(?:\n|$))*$/.test(text)
}

/** Aliases may stand for this many values in one document: more is no configuration but an attack ("billion laughs"). */
const MAX_ALIASES = 1000

/** The types that scalars may have in JSON, and so in Kubernetes: no dates, sets or binary data. */
const TAGS = /^tag:yaml\.org,2002:(null|bool|int|float|merge|map|seq|str)$/

/**
 * Parses one document as Kubernetes does: scalars mean what they do in YAML 1.1 (`0644` is octal, `yes` is true), but dates
 * and times of day stay strings, and so do all keys. Bad YAML is in the document's `errors`.
 * @throws RangeError where a document is nested too deeply.
 */
export function parseDocumentText(text: string): ParsedDocument {
  const document = parseDocument(text, {
    version: '1.1',
    merge: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
    customTags: (tags) =>
      tags
        .filter((tag) => typeof tag === 'string' || (TAGS.test(tag.tag) && tag.format !== 'TIME'))
        .map((tag) => (typeof tag === 'string' ? tag : numbersHaveDigits(tag))),
  })
  return { document, text }
}

/** YAML 1.1 as the library has it takes `.` and `e1` for numbers; Kubernetes takes them for strings. */
function numbersHaveDigits<T extends { readonly test?: RegExp }>(tag: T): T {
  const { test } = tag
  if (!test || !(test.test('.') || test.test('e1'))) return tag
  return { ...tag, test: new RegExp(`^(?=[-+]?\\.?[0-9])${test.source.slice(1)}`) }
}

/**
 * The value that a document holds, as plain objects; values behind one anchor are one object.
 * @throws ReferenceError for an alias without an anchor, and for too many aliases.
 * @throws RangeError for an alias inside what it stands for.
 */
export function plainValue(document: Document.Parsed): unknown {
  let hasAliases = false
  const value: unknown = document.toJS({
    maxAliasCount: MAX_ALIASES,
    onAnchor: () => {
      hasAliases = true
    },
  })
  if (hasAliases) refuseCircles(value, new Set())
  return value
}

function refuseCircles(value: unknown, within: Set<object>): void {
  if (typeof value !== 'object' || value === null) return
  if (within.has(value)) throw new RangeError('an alias stands for something that it is in')
  within.add(value)
  for (const inner of Object.values(value)) refuseCircles(inner, within)
  within.delete(value)
}
