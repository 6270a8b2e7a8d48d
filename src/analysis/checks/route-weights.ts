import type { FieldPath, Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'

interface WeightedRoute {
  readonly resource: Resource
  readonly path: FieldPath
  readonly weights: readonly (number | undefined)[]
}

export const impossibleWeights: Check = {
  rule: 'impossible-weights',
  severity: 'error',
  about: 'The weights of a route are negative or all zero: nothing can be shared out by them.',
  *find(snapshot) {
    for (const { resource, path, weights } of weightedRoutes(snapshot)) {
      const negative = weights.findIndex((weight) => weight !== undefined && weight < 0)
      if (negative >= 0) {
        yield {
          resource,
          path: [...path, negative, 'weight'],
          problem: `weight ${weights[negative]} is negative`,
          remedy: 'write 0 or more',
        }
      } else if (weights.length > 1 && weights.every((weight) => !weight)) {
        yield {
          resource,
          path,
          problem: `none of the ${weights.length} destinations has a weight above 0, so that no request can be sent`,
          remedy: 'give at least one of them a weight; the usual sum is 100',
        }
      }
    }
  },
}

export const unusualWeights: Check = {
  rule: 'weights-not-100',
  severity: 'warning',
  about: 'The weights of a route do not add up to 100: they are taken as shares of their sum.',
  *find(snapshot): Iterable<Finding> {
    for (const { resource, path, weights } of weightedRoutes(snapshot)) {
      if (weights.length < 2 || weights.some((weight) => (weight ?? 0) < 0)) continue
      const sum = weights.reduce<number>((total, weight) => total + (weight ?? 0), 0)
      if (sum === 0 || sum === 100) continue
      const shares = weights.map((weight) => `${round(((weight ?? 0) * 100) / sum)} %`)
      const absent = weights.indexOf(undefined)
      yield {
        resource,
        path: absent >= 0 ? [...path, absent] : path,
        problem: `the weights add up to ${sum}, not 100; requests are shared out as ${shares.join(', ')}`,
        remedy:
          absent >= 0
            ? 'give every destination a weight: one without gets nothing'
            : `write weights that add up to 100, such as ${toHundred(weights, sum).join(', ')}`,
      }
    }
  },
}

/** Routes of VirtualServices with the weights of their destinations, at `path[i].weight`. */
function* weightedRoutes(snapshot: Snapshot): Iterable<WeightedRoute> {
  for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
    for (const protocol of ['http', 'tls', 'tcp'] as const) {
      for (const [i, rule] of (resource.spec?.[protocol] ?? []).entries()) {
        if (!rule.route) continue
        yield {
          resource,
          path: ['spec', protocol, i, 'route'],
          weights: rule.route.map(({ weight }) => weight),
        }
      }
    }
  }
}

function round(share: number): number {
  return Math.round(share * 10) / 10
}

/** The same shares in whole numbers that add up to 100: the largest remainders are rounded up. */
function toHundred(weights: readonly (number | undefined)[], sum: number): readonly number[] {
  const exact = weights.map((weight) => ((weight ?? 0) * 100) / sum)
  const floors = exact.map(Math.floor)
  const missing = 100 - floors.reduce((total, share) => total + share, 0)
  const byRemainder = exact.map((share, i) => [share - Math.floor(share), i] as const).sort(([a], [b]) => b - a)
  for (const [, i] of byRemainder.slice(0, missing)) floors[i] = (floors[i] ?? 0) + 1
  return floors
}
