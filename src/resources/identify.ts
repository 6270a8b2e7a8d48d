import { type Fields, isFields } from './fields.ts'
import type { Finding } from './finding.ts'
import { foreignKind } from './foreign-kinds.ts'
import { apiVersionOf, KINDS, type Kind, kindOf } from './kinds.ts'

/** A value of a kind that we know, or why it is none. */
export type Identified =
  | { readonly kind: Kind; readonly value: Fields; readonly metadata: Fields }
  | {
      readonly kind?: undefined
      readonly finding: Finding
      /** It is none of ours, and not meant to be. */
      readonly foreign: boolean
    }

/** Tells what an object is, by `apiVersion` and `kind`. */
export function identify(value: unknown): Identified {
  if (!isFields(value)) {
    const what = Array.isArray(value) ? 'a list' : `a single value (${typeof value})`
    return wrong({
      rule: 'not-an-object',
      path: [],
      problem: `this is ${what}, not a Kubernetes object`,
      remedy: 'write apiVersion, kind, metadata and spec',
    })
  }
  const { apiVersion, kind: name, metadata } = value
  if (apiVersion === undefined && name === undefined) return neither(value)
  if (typeof name !== 'string' || name === '') {
    return wrong({
      rule: 'missing-field',
      path: ['kind'],
      problem: name === undefined ? 'is missing' : 'is not a string',
      remedy: 'write the kind of the object, for example kind: Service',
    })
  }
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    const versions = Object.values(KINDS).filter((kind) => kind.kind === name)
    return wrong({
      rule: 'missing-field',
      path: ['apiVersion'],
      problem: apiVersion === undefined ? 'is missing' : 'is not a string',
      remedy: `write apiVersion: ${versions.map(apiVersionOf).join(' or ') || 'GROUP/VERSION'}`,
    })
  }
  const kind = kindOf(apiVersion, name)
  if (!kind) {
    const foreign = foreignKind(apiVersion, name)
    const path = [foreign.rule === 'unsupported-version' ? 'apiVersion' : 'kind']
    return { finding: { ...foreign, path }, foreign: foreign.rule === 'kind-not-used' }
  }
  if (!isFields(metadata)) {
    return wrong({
      rule: 'missing-field',
      path: ['metadata'],
      problem: metadata === undefined || metadata === null ? 'is missing' : 'is not a map',
      remedy: 'write metadata with the name of the object',
    })
  }
  return { kind, value, metadata }
}

/** What to call something of which little can be told: `VirtualService reviews`. */
export function nameIn(value: unknown): string | undefined {
  if (!isFields(value) || typeof value['kind'] !== 'string') return undefined
  const { name, namespace } = isFields(value['metadata']) ? value['metadata'] : {}
  if (typeof name !== 'string') return value['kind']
  return `${value['kind']} ${typeof namespace === 'string' ? `${namespace}/` : ''}${name}`
}

/** Beside manifests lie values of charts, descriptions of APIs and the like: these are no errors. */
function neither(value: Fields): Identified {
  const meant = value['metadata'] !== undefined || value['spec'] !== undefined
  const finding: Finding = {
    rule: 'not-an-object',
    severity: meant ? 'error' : 'warning',
    path: [],
    problem: 'this has neither apiVersion nor kind: it is no Kubernetes object',
    remedy: meant ? 'add both' : 'add both, or keep it elsewhere if it is not meant to be one',
  }
  return { finding, foreign: !meant }
}

function wrong(finding: Omit<Finding, 'severity'>): Identified {
  return { finding: { severity: 'error', ...finding }, foreign: false }
}
