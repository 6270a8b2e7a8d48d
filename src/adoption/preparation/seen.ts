import { BASICS } from '../basics/all.ts'
import { lookAt, shareRight } from '../basics/basic.ts'
import { type Estate, objectsOf, whyUnread } from '../estate/estate.ts'

/** What the program can look at; what is absent it knows nothing of. */
export interface Facts {
  readonly estate?: Estate
  readonly authority?: AuthorityFacts
  /** Finished labs of `weft learn`, by person. */
  readonly finishedLabs?: ReadonlyMap<string, readonly string[]>
}

/** What a mesh's certificate authority is made of. */
export interface AuthorityFacts {
  /** The mesh made its own root. */
  readonly selfMade: boolean
  /** An intermediate signs, rather than the root. */
  readonly hasIntermediate: boolean
  /** Somebody else signs: Vault, step-ca and the like. */
  readonly external: boolean
}

/** What was seen of an item. */
export interface Seen {
  readonly holds: boolean
  /** From what that follows, as a sentence without a full stop. */
  readonly says: string
}

/** Whether a basic holds for all that it is about. */
export const seenBasic =
  (id: string) =>
  ({ estate }: Facts): Seen | undefined => {
    const basic = BASICS.find((each) => each.id === id)
    if (!basic) throw new Error(`there is no basic ${id}`)
    if (!estate) return undefined
    const result = lookAt(basic, estate)
    if (result.unknown !== undefined) return undefined
    const { checked, failing } = result
    return {
      holds: failing.length === 0,
      says: `it holds for ${checked - failing.length} of ${checked} in ${estate.label}${
        failing.length > 0 && shareRight(result) > 0.5
          ? `, not for ${failing
              .slice(0, 3)
              .map(({ object }) => object)
              .join(', ')}`
          : ''
      }`,
    }
  }

export function seenIntermediate({ authority }: Facts): Seen | undefined {
  if (!authority) return undefined
  const { external, hasIntermediate } = authority
  if (external) return { holds: true, says: 'an authority elsewhere signs' }
  return { holds: hasIntermediate, says: hasIntermediate ? 'an intermediate is installed' : 'the root itself signs' }
}

export function seenCompanyRoot({ authority }: Facts): Seen | undefined {
  if (!authority) return undefined
  return authority.selfMade
    ? { holds: false, says: 'a self-signed root that the mesh made itself is in use' }
    : { holds: true, says: 'the root is not one that the mesh made' }
}

export function seenPolicies({ estate }: Facts): Seen | undefined {
  if (!estate || whyUnread(estate, ['AuthorizationPolicy'])) return undefined
  const count = objectsOf(estate, 'AuthorizationPolicy').length
  return {
    holds: count > 0,
    says: count > 0 ? `there are ${count} AuthorizationPolicies` : 'there is no AuthorizationPolicy yet',
  }
}

export function seenOwners({ estate }: Facts): Seen | undefined {
  if (!estate) return undefined
  const applications = objectsOf(estate, 'Application')
  if (applications.length === 0) return undefined
  const owned = applications.filter(
    (each) => (each['spec'] as { owner?: unknown } | undefined)?.owner !== undefined,
  ).length
  return {
    holds: owned === applications.length,
    says: `${owned} of ${applications.length} Applications name who answers for them`,
  }
}

export function seenNamespacesOwned({ estate }: Facts): Seen | undefined {
  if (!estate || whyUnread(estate, ['Namespace'])) return undefined
  const namespaces = objectsOf(estate, 'Namespace').filter(({ metadata }) => metadata.name !== 'default')
  if (namespaces.length === 0) return undefined
  const owned = namespaces.filter(({ metadata }) => {
    const said = { ...metadata.labels, ...metadata.annotations }
    return said['team'] !== undefined || said['owner'] !== undefined
  }).length
  return {
    holds: owned === namespaces.length,
    says: `${owned} of ${namespaces.length} namespaces have a label or annotation team or owner`,
  }
}

export function seenMetrics({ estate }: Facts): Seen | undefined {
  if (!estate?.live) return undefined
  const found = estate.groups.filter((group) => /monitoring|victoriametrics|datadog/.test(group))
  return found.length === 0 ? undefined : { holds: true, says: `the API group ${found.join(', ')} is served` }
}

/** Labs that somebody should have done before the first wave. */
const FIRST_LABS = 4

export function seenTraining({ finishedLabs }: Facts): Seen | undefined {
  if (!finishedLabs || finishedLabs.size === 0) return undefined
  const ready = [...finishedLabs].filter(([, labs]) => labs.length >= FIRST_LABS).map(([person]) => person)
  return {
    holds: ready.length >= 2,
    says:
      ready.length > 0
        ? `${ready.join(', ')} finished ${FIRST_LABS} labs or more`
        : `nobody has finished ${FIRST_LABS} labs yet`,
  }
}
