import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../resources/duration.ts'

const DAY_MS = 86_400_000

/** An option's length of time, such as `12h` or, other than in Istio's resources, `30d`. @returns ms */
export function lengthOfTime(text: string): number {
  const days = /^(\d+)d$/.exec(text)?.[1]
  if (days !== undefined) return Number(days) * DAY_MS
  const parsed = parseDuration(text)
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.problem}; write one such as 30d or 12h`)
  return parsed.milliseconds
}
