import type { SeenCalls } from '../../telemetry/questions/calls.ts'

/** Calls that were refused since a moment, of a kind that nobody expected to be. */
export interface Denial {
  readonly call: SeenCalls
  readonly count: number
}

/**
 * What was refused since policies changed, other than what the simulation of the change said.
 * @param before calls as they were kept before the change; what was refused then, and is again, is nothing new
 * @param expected calls that the simulation said would be denied
 */
export function unexpectedDenials(
  before: readonly SeenCalls[],
  now: readonly SeenCalls[],
  expected: readonly SeenCalls[],
): readonly Denial[] {
  const counted = new Map(before.filter(({ refused }) => refused).map((call) => [kindOf(call), call.count]))
  const known = new Set(expected.map(kindOf))
  const cutOff = new Set(expected.filter(({ principal }) => principal === null).map(ends))
  return now
    .filter((call) => call.refused && !counted.has(kindOf(call)) && !known.has(kindOf(call)))
    .filter((call) => !isCutOff(call) || !cutOff.has(ends(call)))
    .map((call) => ({ call, count: call.count }))
}

/** Refused before anything was asked: STRICT closes a connection that comes without a certificate. */
function isCutOff({ principal, kind }: SeenCalls): boolean {
  return principal === null && kind === 'connection'
}

function ends({ source, destination }: SeenCalls): string {
  return JSON.stringify([source, destination])
}

/** What makes calls alike, whether they are refused or not. */
function kindOf({ principal, source, destination, kind, method, path, host }: SeenCalls): string {
  return JSON.stringify([principal, source, destination, kind, method, path, host])
}
