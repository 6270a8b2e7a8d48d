import { evidenceSince } from '../coverage.ts'
import type { Finding } from '../onboarding.ts'
import { ownMetadata } from '../rules.ts'
import type { Step } from '../step.ts'
import { nameText } from '../writing.ts'

/** What the team declares: rate limits, and who issues the tokens that it takes. */
export const LIMITS: Step = {
  name: 'limits',
  title: 'rate limits and authentication',

  async gate(view) {
    const { application, declared } = view.onboarding.spec
    const home = application.slice(0, application.indexOf('/'))
    const strangers = declared.filter(({ metadata }) => (metadata.namespace ?? home) !== home)
    const findings = strangers.map(
      (object): Finding => ({
        holds: false,
        says: `${nameText(object)} is in another namespace than the application`,
        remedy: `write it in ${home}: one application does not decide about others`,
      }),
    )
    const from = evidenceSince(view)
    if (from === null || strangers.length > 0 || declared.length === 0) return findings
    const put = declared.filter(({ kind }) => kind === 'AuthorizationPolicy' || kind === 'RequestAuthentication')
    if (put.length === 0) return findings
    const { newlyDenied } = await view.evidence.simulate({ put, remove: [] }, { from, to: view.now })
    return [
      ...findings,
      ...newlyDenied.map((who) => ({
        holds: false,
        says: `it would refuse ${who}`,
        remedy: 'let it have a token first, or except it',
      })),
    ]
  },

  async propose({ onboarding: { spec } }) {
    if (spec.declared.length === 0) return { nothing: 'none are declared' }
    const put = spec.declared.map((object) => {
      const own = ownMetadata(spec.application, object.metadata.name)
      return {
        ...object,
        metadata: { ...object.metadata, ...own, labels: { ...object.metadata.labels, ...own.labels } },
      }
    })
    return { put, remove: [], findings: [] }
  },

  telltales: ['RL', 'RLSE'],
}
