import type { AuditFacts } from './facts.ts'

/** `not observed`: there is no evidence for it, nor against it. */
export type Standing = 'holds' | 'holds in part' | 'does not hold' | 'not observed'

/** A requirement of a standard, and what is known of it. */
export interface Control {
  /** Where it stands: `PCI DSS 4, 4.2.1`. */
  readonly requirement: string
  /** What it asks for, in our words. */
  readonly asks: string
  readonly standing: Standing
  /** What that is known by. */
  readonly evidence: string
}

const NIST_A = 'NIST SP 800-204A, secure communication'
const NIST_B = 'NIST SP 800-204B'
const NIST_ZT = 'NIST SP 800-207A, identity-based segmentation'

/** The requirements that a mesh can speak to, each with the evidence for it. What was not observed is called so. */
export function controls(facts: AuditFacts): readonly Control[] {
  const [encrypted, identities, authorized] = [encryption(facts), certificates(facts), authorization(facts)]
  const [records, keys] = [logging(facts), inventory(facts)]
  const control = (requirement: string, asks: string, { standing, evidence }: Known): Control => ({
    requirement,
    asks,
    standing,
    evidence,
  })
  return [
    control(NIST_A, 'All traffic between services is encrypted with mutual TLS.', encrypted),
    control(NIST_A, 'Certificates are short-lived and renewed without anybody doing it.', lifetimes(facts)),
    control(
      `${NIST_B}, service authentication`,
      'Services prove who they are by certificates of one authority.',
      identities,
    ),
    control(`${NIST_B}, service authorization`, 'Each service has a policy that says who may call it.', authorized),
    control(`${NIST_B}, monitoring`, 'What was refused is recorded.', records),
    control(NIST_ZT, 'Encryption in transit for every connection.', encrypted),
    control(NIST_ZT, 'The calling service is authenticated and authorized for each call.', authorized),
    control(
      'PCI DSS 4, 2.2.7 and 4.2.1',
      'Strong cryptography, and nothing older, protects what is sent.',
      cryptography(facts),
    ),
    control('PCI DSS 4, 4.2.1.1', 'There is an inventory of keys and certificates.', keys),
    control('PCI DSS 4, 7.2.1 and 7.2.5', 'Applications have the least access that they need.', authorized),
    control('PCI DSS 4, 10.2.1', 'Audit logs tell of refused attempts.', records),
    control('PCI DSS 4, 12.3.3', 'Protocols and cipher suites in use are documented.', cryptography(facts)),
  ]
}

interface Known {
  readonly standing: Standing
  readonly evidence: string
}

function encryption({ edges, workloads, recordedSince }: AuditFacts): Known {
  const known = edges.filter(({ mutualTls }) => mutualTls !== null)
  const open = workloads.filter(({ ports }) => ports.some(({ mtls }) => mtls !== 'STRICT'))
  if (known.length === 0 || recordedSince === null)
    return { standing: 'not observed', evidence: 'No traffic was seen in this time.' }
  const whole = known.filter(({ mutualTls }) => mutualTls === 1)
  const seen = `${whole.length} of ${known.length} edges had mutual TLS only`
  const takes = `${open.length} of ${workloads.length} workloads would also take plaintext`
  const unknown = edges.length - known.length
  return {
    standing: standing(whole.length, known.length, open.length === 0 && unknown === 0),
    evidence: `${seen}; ${takes}${unknown > 0 ? `; of ${unknown} edges it was not observed` : ''}.`,
  }
}

function standing(good: number, all: number, isWhole = true): Standing {
  if (good === all && isWhole) return 'holds'
  return good > 0 ? 'holds in part' : 'does not hold'
}

function certificates({ certificates: { count, selfMadeRoot } }: AuditFacts): Known {
  if (count === 0) return { standing: 'not observed', evidence: 'No certificate is in use, as far as is known.' }
  const own = `${count} certificates are valid now`
  if (selfMadeRoot === null)
    return { standing: 'holds in part', evidence: `${own}; whose root they end in is not known.` }
  return selfMadeRoot
    ? {
        standing: 'holds in part',
        evidence: `${own}; their root was made by Weft itself, which is not for production.`,
      }
    : { standing: 'holds', evidence: `${own}, signed under the company's own authority.` }
}

const DAY_MS = 86_400_000

function lifetimes({ certificates: { longestLife } }: AuditFacts): Known {
  if (longestLife === null)
    return { standing: 'not observed', evidence: 'No certificate is in use, as far as is known.' }
  const evidence = `The longest life of a certificate in use is ${(longestLife / 3_600_000).toFixed(1)} h.`
  return { standing: longestLife <= DAY_MS ? 'holds' : 'does not hold', evidence }
}

function authorization({ workloads }: AuditFacts): Known {
  if (workloads.length === 0) return { standing: 'not observed', evidence: 'No workload has a proxy.' }
  const covered = workloads.filter(({ policies }) => policies > 0)
  const without = workloads
    .filter(({ policies }) => policies === 0)
    .map(({ namespace, workload }) => `${namespace}/${workload}`)
  const list =
    without.length > 0 ? `; without: ${without.slice(0, 10).join(', ')}${without.length > 10 ? ', ...' : ''}` : ''
  return {
    standing: standing(covered.length, workloads.length),
    evidence: `${covered.length} of ${workloads.length} workloads have an AuthorizationPolicy in force${list}.`,
  }
}

function logging({ refusals, refusedCalls }: AuditFacts): Known {
  if (refusals.length === 0 && refusedCalls === 0)
    return { standing: 'not observed', evidence: 'Nothing was refused in this time, so no record shows it.' }
  return {
    standing: 'holds',
    evidence: `${refusals.length} refused attempts and ${Math.round(refusedCalls)} refused calls are recorded.`,
  }
}

function inventory({ certificates: { count, keys } }: AuditFacts): Known {
  if (count === 0) return { standing: 'not observed', evidence: 'No certificate is in use, as far as is known.' }
  const kinds = Object.entries(keys).map(([key, n]) => `${n} of ${key}`)
  return {
    standing: keys['unknown'] === undefined ? 'holds' : 'holds in part',
    evidence: `weft ca certificates lists them: ${kinds.join(', ')}.`,
  }
}

function cryptography({ transport: { minimumVersion, cipherSuites }, edges }: AuditFacts): Known {
  const plain = edges.filter(({ mutualTls }) => mutualTls !== null && mutualTls < 1).length
  const suites = minimumVersion === 'TLS 1.2' ? `, with ${cipherSuites.join(', ')} in TLS 1.2` : ''
  return {
    standing: plain > 0 ? 'holds in part' : 'holds',
    evidence: `Between proxies ${minimumVersion} at least${suites}${plain > 0 ? `; ${plain} edges had plaintext` : ''}.`,
  }
}
