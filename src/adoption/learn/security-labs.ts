import { type Lab, type LabCheck, PAGE_WORKS } from './lab.ts'

const OUTSIDER_REFUSED: LabCheck = {
  holds: 'who has no identity is refused by details',
  look: async (world) => {
    const answer = await world.outsider('details-v1', '/details/0')
    return {
      ok: answer === 'refused',
      found:
        answer === 'refused'
          ? 'a plain request to its address was refused'
          : 'a plain request to its address was answered',
    }
  },
}

export const MTLS_MIGRATION: Lab = {
  id: 'mtls-migration',
  title: 'From plaintext to STRICT',
  teaches: 'to require mutual TLS in two steps, with nothing broken on the way',
  minutes: 10,
  task: [
    'learn-mtls.yaml says that nobody takes mutual TLS in this namespace: calls go in plaintext, and whoever is on the network can read them and make them.',
    'Bring the namespace to STRICT. Go by PERMISSIVE: then those who call change over first, and nobody is shut out. The page is to work all the time.',
  ],
  hints: [
    'A PeerAuthentication called default, without selector, is for its whole namespace.',
    'Set spec.mtls.mode to PERMISSIVE, look at the page, then to STRICT.',
  ],
  setup: {
    'learn-mtls.yaml': `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec:
  mtls: { mode: DISABLE }
`,
  },
  solution: {
    files: {
      'learn-mtls.yaml': `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec:
  mtls: { mode: STRICT }
`,
    },
  },
  checks: [PAGE_WORKS, OUTSIDER_REFUSED],
}

interface Allowed {
  readonly allowed: boolean
}

const REVIEWS = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews'
const PRODUCTPAGE = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage'

/** Whether ratings lets somebody in. */
function mayCallRatings(who: string, principal: string, wanted: boolean): LabCheck {
  return {
    holds: `${who} ${wanted ? 'may' : 'may not'} call ratings`,
    look: async ({ ask }) => {
      const call = encodeURIComponent(
        JSON.stringify({ from: principal, method: 'GET', path: '/ratings/0', headers: [] }),
      )
      const { allowed } = await ask<Allowed>(`proxies/default/ratings-v1-0/authorization?call=${call}`)
      return { ok: allowed === wanted, found: allowed ? 'it is let in' : 'it is denied' }
    },
  }
}

export const DENIED: Lab = {
  id: 'denied-request',
  title: 'A denied request, explained',
  teaches: 'to find out which policy denies a request, and why',
  minutes: 10,
  task: [
    'Somebody has restricted who may call ratings (learn-policy.yaml), and now the page says "Ratings service is currently unavailable".',
    'Find out who is denied and by what: weft authz check ratings-v1 --from reviews-v2 says it. Then mend the policy, so that reviews may call ratings, and nobody else may.',
  ],
  hints: [
    'The principal of a workload is its trust domain, namespace and service account: weft describe pod reviews-v2 shows it.',
    'Compare it letter by letter with the one in the policy.',
    'The service account is called bookinfo-reviews.',
  ],
  setup: {
    'reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route: [{ destination: { host: reviews, subset: v2 } }]
`,
    'learn-policy.yaml': `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ratings }
spec:
  selector: { matchLabels: { app: ratings } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: ["cluster.local/ns/default/sa/bookinfo-review"] } }]
`,
  },
  solution: {
    files: {
      'learn-policy.yaml': `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ratings }
spec:
  selector: { matchLabels: { app: ratings } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: ["cluster.local/ns/default/sa/bookinfo-reviews"] } }]
`,
    },
  },
  checks: [mayCallRatings('reviews', REVIEWS, true), mayCallRatings('productpage', PRODUCTPAGE, false), PAGE_WORKS],
}

interface Authority {
  readonly signing: { readonly root: string; readonly issuer?: string }
  readonly rotation?: object
}

/** What signs now. */
const signer = ({ signing }: Authority) => signing.issuer ?? signing.root

export const ROTATION: Lab = {
  id: 'certificate-rotation',
  title: 'Replace the intermediate',
  teaches: 'to replace what signs certificates, with no request failed',
  minutes: 10,
  task: [
    'The intermediate that signs every certificate is to be replaced today, as it would be if its key were lost.',
    'Look at it (weft ca status), replace it (weft ca rotate), and see who has a certificate of which (weft ca certificates). The page is to work all the time.',
  ],
  hints: [
    'weft ca rotate tells what it does and waits for every proxy; it may be stopped and begun again.',
    'Without --root it replaces the intermediate only.',
  ],
  setup: {},
  remember: async ({ ask }) => ({ signer: signer(await ask<Authority>('ca')) }),
  solution: { commands: [['ca', 'rotate']] },
  checks: [
    {
      holds: 'another intermediate signs than at the beginning',
      look: async ({ ask, before }) => {
        const now = signer(await ask<Authority>('ca'))
        return {
          ok: before['signer'] !== undefined && now !== before['signer'],
          found: now === before['signer'] ? 'it is still the same' : 'it does',
        }
      },
    },
    {
      holds: 'nothing of the rotation is left to be done',
      look: async ({ ask }) => {
        const { rotation } = await ask<Authority>('ca')
        return {
          ok: rotation === undefined,
          found: rotation === undefined ? 'nothing is' : 'it is under way: run weft ca rotate again',
        }
      },
    },
    PAGE_WORKS,
  ],
}
