import type { Finding, Onboarding, StepName } from '../../../adoption/onboarding/onboarding.ts'

/** What a team does about a trouble; by the demo, as there is nobody. */
export type Remedy =
  /** It was not in the inventory, or nobody had asked for it: now it joins, too. */
  | { readonly join: string }
  /** An environment variable of a Deployment gets another value, and the onboarding goes on. */
  | { readonly change: string; readonly variable: string; readonly value: string }

/** Something that is wrong with the estate, which adoption must find before anybody suffers from it. */
export interface Trouble {
  readonly name: string
  /** Where it is. */
  readonly namespace: string
  /** What is wrong, for the report. */
  readonly about: string
  /** Whether a finding that holds an application up, or one that a step took into account, is about it. */
  readonly isTold: (told: Told) => boolean
  readonly remedy?: Remedy
  readonly remedyText: string
}

/** A finding, and where it was said. */
export interface Told {
  readonly application: string
  readonly step: StepName
  readonly says: string
  readonly numbers?: Finding['numbers']
  /** Whether the gate stayed closed for it, a step was taken back for it, or a step was made so that it does no harm. */
  readonly how: 'gate' | 'taken back' | 'taken into account'
}

export const TROUBLES: readonly Trouble[] = [
  {
    name: 'a hidden plaintext client',
    namespace: 'depot',
    about: 'depot/stocktaker is in no inventory, and calls depot/warehouse without mutual TLS every few minutes',
    isTold: ({ how, says }) => how === 'gate' && says.includes('depot/stocktaker called warehouse'),
    remedy: { join: 'depot/stocktaker' },
    remedyText: 'its team was found, and it joined the mesh',
  },
  {
    name: 'a client that calls once an hour',
    namespace: 'pay',
    about: 'pay/settlement calls pay/ledger without mutual TLS once an hour: whoever looks for less sees nobody',
    isTold: ({ how, says }) => how === 'gate' && says.includes('pay/settlement called ledger'),
    remedy: { join: 'pay/settlement' },
    remedyText: 'it joined the mesh, and its next call was waited for',
  },
  {
    name: 'an application that breaks under a timeout',
    namespace: 'pay',
    about: 'one in twenty answers of pay/fraud takes 1.2 s, where the others take 5 ms',
    isTold: ({ how, application, step, numbers = {} }) =>
      application === 'pay/fraud' &&
      step === 'traffic' &&
      how === 'taken into account' &&
      (numbers['longest'] ?? 0) >= 1000 &&
      (numbers['timeout'] ?? 0) > (numbers['longest'] ?? 0),
    remedyText: 'the timeout is longer than the longest answer that was seen',
  },
  {
    name: 'an application that breaks when its proxy is added',
    namespace: 'pay',
    about: 'pay/mailer listens at port 15001, which a proxy needs, and says so nowhere',
    isTold: ({ how, application, step }) =>
      application === 'pay/mailer' && (step === 'proxy-canary' || step === 'proxies') && how === 'taken back',
    remedy: { change: 'pay/mailer', variable: 'ADMIN_PORT', value: '9901' },
    remedyText:
      'its first instance with a proxy was taken back before anybody was sent to it; its team gave it another port',
  },
]

/** What was said of an application that somebody should hear. */
export function toldBy({ spec, steps, held }: Onboarding): readonly Told[] {
  const told = (step: StepName, how: Told['how'], findings: readonly Finding[]): Told[] =>
    findings.map(({ says, numbers }) => ({
      ...{ application: spec.application, step, says: says.trim(), how },
      ...(numbers ? { numbers } : {}),
    }))
  return (Object.keys(steps) as StepName[]).flatMap((step) => {
    const { state, gate, why } = steps[step]
    const closed = (gate?.findings ?? []).filter(({ holds }) => !holds)
    const counted = gate?.open ? gate.findings : []
    const back = why !== undefined && ['unwriting', 'unsettling', 'undone'].includes(state)
    return [
      ...told(step, 'gate', closed),
      ...told(step, 'taken into account', counted),
      ...(back ? told(step, 'taken back', [{ holds: false, says: why }, ...held]) : []),
    ]
  })
}
