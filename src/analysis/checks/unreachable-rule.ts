import type { HttpMatch, HttpRoute } from '../../resources/istio.ts'
import type { Check } from '../check.ts'
import { covers } from '../views/http-match.ts'

/** A rule without a match takes every request. */
const ANY: readonly HttpMatch[] = [{}]

export const unreachableRule: Check = {
  rule: 'unreachable-rule',
  severity: 'warning',
  about: 'A rule of a VirtualService comes after one that takes all of its requests: it has no effect.',
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
      const rules = resource.spec?.http ?? []
      for (const [i, late] of rules.entries()) {
        const unreachable = matchesOf(late).map((match) =>
          rules.slice(0, i).findIndex((early) => matchesOf(early).some((other) => covers(other, match))),
        )
        if (unreachable.includes(-1)) {
          // The rule as a whole is reached; single matches of it may not be.
          for (const [j, by] of unreachable.entries()) {
            if (by < 0) continue
            yield {
              resource,
              path: ['spec', 'http', i, 'match', j],
              problem: `no request comes to this match: ${ruleName(rules, by)} before it takes them all`,
              remedy: `remove it, or move the rule before ${ruleName(rules, by)}`,
            }
          }
          continue
        }
        const by = Math.min(...unreachable)
        yield {
          resource,
          path: ['spec', 'http', i],
          problem: `no request comes to this rule: ${ruleName(rules, by)} before it takes them all`,
          remedy: `remove it, move it before ${ruleName(rules, by)}, or give that one a narrower match`,
        }
      }
    }
  },
}

function matchesOf(rule: HttpRoute): readonly HttpMatch[] {
  return rule.match?.length ? rule.match : ANY
}

function ruleName(rules: readonly HttpRoute[], index: number): string {
  const name = rules[index]?.name
  return name ? `rule "${name}" (spec.http[${index}])` : `rule spec.http[${index}]`
}
