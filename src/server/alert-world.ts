import { X509Certificate } from 'node:crypto'
import { regressed, regressions } from '../adoption/onboarding/later.ts'
import { type Finding, type Onboarding, STEP_NAMES } from '../adoption/onboarding/onboarding.ts'
import type { InventoryRecord } from '../identity/inventory.ts'
import type { Message } from '../resources/message.ts'
import { displayName, type Resource } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { AlertWorld, ExpiringCertificate, OnboardingRegression } from '../telemetry/alerts/world.ts'
import type { ProxyStatus } from '../xds/status.ts'
import type { CertificateView } from './certificate-view.ts'
import { heldCertificates } from './console/certificate-views.ts'
import { proxyRows, statusesByProxy } from './console/proxy-views.ts'

/** What a server knows that alert rules may be about. */
export interface AlertFacts {
  readonly snapshot: () => Snapshot
  /** Whichever server they are connected to. */
  readonly proxies: () => readonly ProxyStatus[]
  readonly refusals: () => readonly (readonly [Resource, Message])[]
  /** Undefined where the server signs nothing. */
  readonly certificates: () => CertificateView | undefined
  readonly inventory: () => readonly InventoryRecord[]
  /** Applications on their way; undefined where it is another server that carries them on. */
  readonly onboardings: () => Promise<readonly Onboarding[] | undefined>
}

/** The same as alert rules look at it. @param measuredAt when measurements came in last */
export function alertWorld(facts: AlertFacts, measuredAt: () => number | undefined): AlertWorld {
  return {
    measuredAt,
    proxies: () =>
      proxyRows(facts.snapshot(), statusesByProxy(facts.proxies())).map(({ proxy, state }) => ({
        key: proxy,
        behind: state !== 'synced',
      })),
    refusals: () =>
      facts.refusals().map(([object, { problem }]) => ({
        namespace: object.metadata.namespace ?? '',
        object: displayName(object),
        problem,
      })),
    regressions: async () => (await facts.onboardings())?.flatMap(regressionsOf),
    certificates() {
      const authority = facts.certificates()
      const own = authority ? [...roots(authority.trustBundlePem), ...held(facts.inventory())] : []
      return [...own, ...ofSecrets(facts.snapshot())]
    },
  }
}

function regressionsOf(onboarding: Onboarding): readonly OnboardingRegression[] {
  const [namespace = '', name = ''] = onboarding.spec.application.split('/')
  const worse = regressed(onboarding).map(([step]) => step)
  const back = STEP_NAMES.filter(
    (step) => onboarding.steps[step].state === 'undone' && onboarding.steps[step].check?.open === false,
  )
  const text = ({ says, remedy }: Finding) => (remedy ? `${says}; ${remedy}` : says)
  return [
    ...regressions(onboarding).map((finding, i) => ({ namespace, name, step: worse[i] ?? '', says: text(finding) })),
    ...back.map((step) => ({ namespace, name, step, says: `${step} was taken back: ${onboarding.steps[step].why}` })),
  ]
}

function held(inventory: readonly InventoryRecord[]): readonly ExpiringCertificate[] {
  return heldCertificates(inventory).map(({ usedBy, notAfter }) => {
    const [holder = ''] = usedBy
    const slash = holder.indexOf('/')
    return {
      name: usedBy.join(', '),
      namespace: slash > 0 ? holder.slice(0, slash) : '',
      expiresAt: Date.parse(notAfter),
    }
  })
}

function roots(pem: string): readonly ExpiringCertificate[] {
  const all = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return all.flatMap((each) => certificateIn(each, `the root ${subjectOf(each)}`, ''))
}

/** Of gateways and whoever else serves TLS by a Secret. */
function ofSecrets(snapshot: Snapshot): readonly ExpiringCertificate[] {
  return [...snapshot.all('core/Secret').values()].flatMap(({ metadata, data }) => {
    const encoded = data?.['tls.crt']
    if (encoded === undefined) return []
    const { namespace = '', name } = metadata
    return certificateIn(Buffer.from(encoded, 'base64').toString('utf8'), `Secret ${namespace}/${name}`, namespace)
  })
}

function certificateIn(pem: string, name: string, namespace: string): readonly ExpiringCertificate[] {
  try {
    return [{ name, namespace, expiresAt: Date.parse(new X509Certificate(pem).validTo) }]
  } catch {
    // What is no certificate is told of where it is used.
    return []
  }
}

function subjectOf(pem: string): string {
  try {
    return new X509Certificate(pem).subject.replaceAll('\n', ', ')
  } catch {
    return ''
  }
}
