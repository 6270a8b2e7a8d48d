import type { Finding } from './onboarding.ts'
import type { View } from './step.ts'
import { durationText } from './texts.ts'

/** Newer than this evidence has to be, in ms: proxies tell of themselves every few seconds. */
const FRESH_MS = 120_000

const LOG =
  'let calls be logged to the mesh: on a cluster by a Telemetry of their namespace, spec.accessLogging[].providers: [{name: weft}]'

/** Since when evidence counts: null where there is none. What came before the clock jumped, or before something was lost, does not. */
export function evidenceSince({ coverage, onboarding }: Pick<View, 'coverage' | 'onboarding'>): number | null {
  return coverage.since === null ? null : Math.max(coverage.since, onboarding.trustedSince)
}

/**
 * Whether what is seen is complete for so long. What is missing never opens a gate.
 * @param since what else has to be that old, such as the application's own proxies; ms since the epoch
 */
export function complete(view: View, windowMs: number, since = 0): readonly Finding[] {
  const { coverage, now } = view
  const from = evidenceSince(view)
  if (from === null || coverage.until === null)
    return [{ holds: false, says: 'no evidence has been kept yet', remedy: LOG }]
  const findings: Finding[] = coverage.problems.map((problem) => ({
    holds: false,
    says: `evidence is not complete: ${problem}`,
    remedy: 'mend that; the window begins anew then',
  }))
  if (coverage.until < now - FRESH_MS)
    findings.push({
      holds: false,
      says: `the newest evidence is ${durationText(now - coverage.until)} old`,
      remedy: 'see weft top and weft proxy-status whether telemetry comes in',
    })
  if (coverage.until > now + FRESH_MS)
    findings.push({
      holds: false,
      says: `evidence is of a time ${durationText(coverage.until - now)} from now`,
      remedy: 'set the clocks right',
    })
  const start = Math.max(from, since)
  const age = Math.max(0, now - start)
  const says = `evidence is complete for ${durationText(age)}, and ${durationText(windowMs)} are needed`
  findings.push(age >= windowMs ? { holds: true, says } : { holds: false, says, remedy: 'wait' })
  return findings
}
