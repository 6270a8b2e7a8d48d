import type { MtlsMode } from '../../../mesh/model.ts'
import type { AuthorizationPolicy } from '../../../resources/istio.ts'
import type { Resource } from '../../../resources/resource.ts'
import { type Action, actionOf, isDryRun } from '../../authorization/policy-layers.ts'
import type { Call } from './call.ts'
import { type InDoubt, ruleMismatch } from './rule-mismatch.ts'
import type { TokenVerdict } from './token.ts'

/** What counts for calls to one port of a workload. */
export interface InForce {
  readonly mtls: MtlsMode
  /** Which PeerAuthentications say so, the most specific first. */
  readonly mtlsSources: readonly Resource[]
  readonly policies: readonly AuthorizationPolicy[]
  /** The provider that policies of CUSTOM ask; undefined where there is none that could be. */
  readonly authorizer: string | undefined
}

/** What one policy, or one layer of them, says of a call. */
export interface Step {
  readonly layer: 'mTLS' | 'token' | Action
  readonly object?: Resource
  /** The rule that a policy's word is about. */
  readonly rule?: number
  /** Whether the call ends here. */
  readonly refused: boolean
  readonly says: string
}

export interface Decision {
  readonly allowed: boolean
  /** What the caller sees of it. */
  readonly outcome: 'passed on' | 'answered 401' | 'answered 403' | 'connection refused' | 'connection closed'
  /** In their order; the last one decided, where the call was refused. */
  readonly steps: readonly Step[]
  /** Provider that is asked besides, and may still refuse. */
  readonly asks?: string
}

/**
 * What becomes of a call, in the order in which a proxy looks at it: mutual TLS, CUSTOM, the token, DENY, AUDIT, ALLOW (Istio's "Implicit enablement" and
 * "Authorization Policy").
 * @param token what the workload's RequestAuthentications say of the call's token
 */
export function decide(call: Call, token: TokenVerdict, inForce: InForce): Decision {
  const steps: Step[] = []
  const refuse = (outcome: Decision['outcome']): Decision => ({ allowed: false, outcome, steps })
  const denied = call.http ? 'answered 403' : 'connection closed'

  steps.push(mtlsStep(call, inForce))
  if (steps.at(-1)?.refused) return refuse('connection refused')
  // Where mutual TLS is off, nobody shows a certificate. What else the call has may be got at when it is asked for.
  const seen: Call = inForce.mtls === 'DISABLE' ? Object.create(call, { principal: { value: undefined } }) : call

  const of = (action: Action) => inForce.policies.filter((policy) => actionOf(policy) === action)
  const asked = matching(
    of('CUSTOM').filter((policy) => !isDryRun(policy)),
    seen,
    call.http ? 'more' : 'less',
  )
  steps.push(
    ...asked.map((step) => ({
      ...step,
      refused: inForce.authorizer === undefined,
      says: customText(inForce.authorizer),
    })),
  )
  if (steps.at(-1)?.refused) return refuse(denied)

  if (token.object && call.http)
    steps.push({ layer: 'token', object: token.object, refused: !token.taken, says: token.says })
  if (steps.at(-1)?.refused) return refuse(token.status === 403 ? 'answered 403' : 'answered 401')

  for (const step of matching(of('DENY'), seen, 'more')) {
    const dry = isDryRun(step.object)
    steps.push({ ...step, refused: !dry, says: dry ? 'would deny it, but is only tried' : 'denies it' })
    if (!dry) return refuse(denied)
  }
  steps.push(
    ...matching(
      of('AUDIT').filter((policy) => !isDryRun(policy)),
      seen,
      'less',
    ).map((step) => ({ ...step, says: 'marks it' })),
  )

  const allowing = of('ALLOW')
  const allowed = matching(allowing, seen, 'less')
  steps.push(
    ...allowed.map((step) => ({
      ...step,
      says: isDryRun(step.object) ? 'would allow it, but is only tried' : 'allows it',
    })),
  )
  const enforced = allowing.filter((policy) => !isDryRun(policy))
  if (enforced.length > 0 && allowed.every(({ object }) => isDryRun(object))) {
    steps.push(...enforced.flatMap((policy) => reasons(policy, seen)))
    return refuse(denied)
  }
  return {
    allowed: true,
    outcome: 'passed on',
    steps,
    ...(asked.length > 0 && inForce.authorizer !== undefined ? { asks: inForce.authorizer } : {}),
  }
}

function mtlsStep({ principal }: Call, { mtls, mtlsSources }: InForce): Step {
  const [object] = mtlsSources
  const shown = principal === undefined ? 'the caller shows no certificate' : `the caller is ${principal}`
  const refused = mtls === 'STRICT' && principal === undefined
  const seen = mtls === 'DISABLE' && principal !== undefined ? `${shown}, which is not asked for` : shown
  return { layer: 'mTLS', ...(object ? { object } : {}), refused, says: `${mtls}: ${seen}` }
}

function customText(authorizer: string | undefined): string {
  return authorizer === undefined
    ? 'is for it, and there is no such provider that could be asked'
    : `has ${authorizer} asked, which decides`
}

type Matching = Step & { readonly object: AuthorizationPolicy }

/** The rules that a call is one for, the first of each policy. */
function matching(policies: readonly AuthorizationPolicy[], call: Call, inDoubt: InDoubt): readonly Matching[] {
  return policies.flatMap((object) => {
    const rules = object.spec?.rules ?? []
    const rule = rules.findIndex(
      (each) => ruleMismatch(each, object.metadata.namespace ?? '', call, inDoubt) === undefined,
    )
    return rule < 0 ? [] : [{ layer: actionOf(object), object, rule, refused: false, says: '' }]
  })
}

/** Why a policy of ALLOW does not allow a call, for each of its rules. */
function reasons(object: AuthorizationPolicy, call: Call): readonly Step[] {
  const rules = object.spec?.rules ?? []
  if (rules.length === 0) return [{ layer: 'ALLOW', object, refused: true, says: 'allows nothing' }]
  return rules.map((each, rule) => {
    const why = ruleMismatch(each, object.metadata.namespace ?? '', call, 'less')
    return { layer: 'ALLOW', object, rule, refused: true, says: `does not allow it: ${why}` }
  })
}
