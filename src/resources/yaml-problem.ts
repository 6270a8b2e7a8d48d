import type { ErrorCode } from 'yaml'

/** What is wrong with a document that cannot be read at all. */
export interface YamlProblem {
  readonly rule: 'broken-yaml' | 'duplicate-key' | 'template-not-rendered' | 'too-many-aliases'
  /** Where in the document's text; `undefined` where no place can be told. */
  readonly offset: number | undefined
  readonly problem: string
  readonly remedy: string
}

const REMEDIES: Readonly<Partial<Record<ErrorCode, readonly [problem: string, remedy: string]>>> = {
  BAD_INDENT: ['this is not indented as what stands before it asks for', 'indent it by the same number of spaces'],
  BAD_SCALAR_START: ['a plain value cannot start with this character', 'put the value in quotes'],
  BLOCK_AS_IMPLICIT_KEY: [
    'a second "key: value" begins on the line of the first, or is indented further than it',
    'put every key on a line of its own, at the same indentation, or put a value that holds ": " in quotes',
  ],
  BLOCK_IN_FLOW: ['a block list or map stands inside [ ] or { }', 'write it with [ ] or { } too'],
  DUPLICATE_KEY: ['this key is given twice in the same map', 'keep one of them'],
  MULTILINE_IMPLICIT_KEY: [
    'a line without ":" stands where a key should be',
    'write "key: value", or indent the line if it goes on with the value above',
  ],
  NON_STRING_KEY: ['a list or map stands where a key should be', 'put the key in quotes'],
  TAB_AS_INDENT: ['the line is indented with a tab', 'indent with spaces'],
  KEY_OVER_1024_CHARS: ['a key is longer than 1024 characters', 'check for a missing quote or line break'],
}

/** Says in plain words what the YAML parser found. */
export function yamlProblem(code: ErrorCode, text: string, offset: number, source: string): YamlProblem {
  if (isTemplate(source)) {
    return {
      rule: 'template-not-rendered',
      offset: source.indexOf('{{'),
      problem: 'this is a template, with {{ }} still in it',
      remedy: 'render it first, for example with "helm template"',
    }
  }
  if (code === 'RESOURCE_EXHAUSTION') return TOO_DEEP
  const opened = /^Flow (map|sequence) in block/.exec(text)?.[1]
  if (opened) {
    const [open, close] = opened === 'map' ? ['{', '}'] : ['[', ']']
    const problem = `a ${open} before this is not closed`
    return { rule: 'broken-yaml', offset, problem, remedy: `add ${close}, and indent every line before it` }
  }
  if (/^Missing closing ["']quote/.test(text)) {
    return {
      rule: 'broken-yaml',
      offset,
      problem: 'a quote before this is not closed',
      remedy: 'add the missing quote',
    }
  }
  const [problem, remedy] = REMEDIES[code] ?? [`not valid YAML: ${text}`, REMEDY]
  return { rule: code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'broken-yaml', offset, problem, remedy }
}

const REMEDY = 'mend the syntax here or on the line above: indentation, quotes, brackets, "- " and ": "'

/** Says in plain words why a document that parsed has no value. */
export function aliasProblem(text: string, source: string): YamlProblem {
  const name = /Unresolved alias.*: (.+)$/.exec(text)?.[1]
  if (name === undefined) {
    return {
      rule: 'too-many-aliases',
      offset: undefined,
      problem: 'aliases (*name) stand for too many values in this document',
      remedy: 'write the values out, or split the document',
    }
  }
  const offset = source.indexOf(`*${name}`)
  return {
    rule: 'broken-yaml',
    offset: offset < 0 ? undefined : offset,
    problem: `the alias *${name} has no anchor before it in this document`,
    remedy: `mark the value with &${name} first, or put "*${name}" in quotes if it is no alias`,
  }
}

/** A document that no parser is made for. */
export const TOO_DEEP: YamlProblem = {
  rule: 'broken-yaml',
  offset: undefined,
  problem: 'lists and maps are nested too deeply, or stand inside themselves by an alias',
  remedy: 'check for brackets that are never closed, and for aliases (*name) of what they are in',
}

function isTemplate(source: string): boolean {
  return /\{\{-?[^{}\n]*\}\}/.test(source)
}
