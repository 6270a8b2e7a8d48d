import type { ServiceLevelObjectiveSpec } from '../../resources/observability.ts'
import type { SloWindow } from '../questions/slos.ts'
import { lengthOf } from './length-of-days.ts'

const DAY = 86_400_000
const USUAL = '30d'

/** The longest time over which something can be promised, and the shortest, in ms. */
export const LONGEST_WINDOW = 90 * DAY
const SHORTEST_WINDOW = 3_600_000

/** The window that an objective is about at a moment, and its whole length in ms. */
export function windowAt(
  { window = {} }: Pick<ServiceLevelObjectiveSpec, 'window'>,
  now: number,
): SloWindow & { readonly length: number } {
  const { calendar, rolling = USUAL } = window
  if (calendar === undefined) {
    const length = Math.min(LONGEST_WINDOW, Math.max(SHORTEST_WINDOW, lengthOf(rolling) ?? 30 * DAY))
    return { name: rolling, from: now - length, length }
  }
  const { from, to } = CALENDAR[calendar](new Date(now))
  return { name: calendar, from, length: to - from }
}

const CALENDAR = {
  Day: (now: Date) => from(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()), DAY),
  Week: (now: Date) => {
    const monday = now.getUTCDate() - ((now.getUTCDay() + 6) % 7)
    return from(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), monday), 7 * DAY)
  },
  Month: (now: Date) => months(now.getUTCFullYear(), now.getUTCMonth(), 1),
  Quarter: (now: Date) => months(now.getUTCFullYear(), Math.floor(now.getUTCMonth() / 3) * 3, 3),
} as const

function from(at: number, length: number) {
  return { from: at, to: at + length }
}

function months(year: number, month: number, count: number) {
  return { from: Date.UTC(year, month, 1), to: Date.UTC(year, month + count, 1) }
}
