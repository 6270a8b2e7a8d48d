import type { KindId } from '../../resources/kinds.ts'
import type { FieldPath, Resource } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { re2Error } from '../re2-syntax.ts'

const KINDS = [
  'networking.istio.io/VirtualService',
  'gateway.networking.k8s.io/HTTPRoute',
  'gateway.networking.k8s.io/GRPCRoute',
] as const satisfies readonly KindId[]

export const badRegex: Check = {
  rule: 'bad-regex',
  severity: 'error',
  about: 'A regular expression is not one that Envoy (RE2) understands: a proxy refuses the route.',
  *find(snapshot) {
    for (const kind of KINDS) {
      for (const resource of snapshot.all(kind).values() as Iterable<Resource>) {
        for (const { path, pattern } of patterns(resource.spec, ['spec'])) {
          const error = re2Error(pattern)
          if (!error) continue
          yield {
            resource,
            path,
            problem: `"${pattern}" is not a regular expression that Envoy understands: ${error}`,
            remedy: 'write it in RE2 syntax (https://github.com/google/re2/wiki/Syntax)',
          }
        }
      }
    }
  },
}

/** Regular expressions are `regex` and `uriRegexRewrite.match` in Istio's API, and `value` beside `type: RegularExpression` in Gateway API's. */
function* patterns(value: unknown, path: FieldPath): Iterable<{ path: FieldPath; pattern: string }> {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) yield* patterns(item, [...path, i])
    return
  }
  if (typeof value !== 'object' || value === null) return
  const fields = value as Readonly<Record<string, unknown>>
  const isExpression = fields['type'] === 'RegularExpression'
  for (const [name, field] of Object.entries(fields)) {
    const here = [...path, name]
    if (typeof field !== 'string') yield* patterns(field, here)
    else if (name === 'regex' || (name === 'match' && path.at(-1) === 'uriRegexRewrite'))
      yield { path: here, pattern: field }
    // Of a GRPCRoute's method match the service and the method are expressions.
    else if (isExpression && ['value', 'service', 'method'].includes(name)) yield { path: here, pattern: field }
  }
}
