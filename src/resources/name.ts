import type { Kind } from './kinds.ts'

/** What is wrong with a name, and what would be right. */
export interface NameProblem {
  readonly problem: string
  readonly remedy: string
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

/** Kinds whose names become one part of a host name. */
const LABEL_NAMED: ReadonlySet<string> = new Set(['core/Namespace', 'core/Service'])

/**
 * What is wrong with an object's name: it has to be a DNS subdomain (RFC 1123; up to 253 characters), for a Service or
 * Namespace a single DNS label (up to 63).
 */
export function nameProblem(kind: Kind, name: string): NameProblem | undefined {
  return LABEL_NAMED.has(kind.id) ? labelProblem(name) : subdomainProblem(name)
}

/** What is wrong with the name of a namespace. */
export function labelProblem(name: string): NameProblem | undefined {
  if (name.length > 63) return { problem: `has ${name.length} characters, can have at most 63`, remedy: 'shorten it' }
  if (LABEL.test(name)) return undefined
  return wrong(name, 'lower case letters, digits and "-", with a letter or digit at both ends')
}

function subdomainProblem(name: string): NameProblem | undefined {
  if (name.length > 253) return { problem: `has ${name.length} characters, can have at most 253`, remedy: 'shorten it' }
  if (name.split('.').every((part) => LABEL.test(part))) return undefined
  return wrong(name, 'lower case letters, digits, "-" and ".", with a letter or digit at both ends')
}

function wrong(name: string, right: string): NameProblem {
  const better = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
  const example = LABEL.test(better) ? `, for example "${better}"` : ''
  return { problem: `"${name}" cannot be a name`, remedy: `use ${right}${example}` }
}
