/** A pair of windows over which the use of the error budget is looked at. */
export interface BurnWindow {
  readonly severity: 'critical' | 'warning'
  /** In ms. */
  readonly long: number
  readonly short: number
  /** How many times faster than allowed the budget is used, above which it alerts. */
  readonly factor: number
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MONTH = 30 * DAY

/** Of the Site Reliability Workbook, chapter 5, table 5-8, with its last line for tickets split in two as its text says: for 30 days. */
const OF_A_MONTH: readonly Omit<BurnWindow, 'short'>[] = [
  { severity: 'critical', long: HOUR, factor: 14.4 },
  { severity: 'critical', long: 6 * HOUR, factor: 6 },
  { severity: 'warning', long: DAY, factor: 3 },
  { severity: 'warning', long: 3 * DAY, factor: 1 },
]
/** Shorter ones tell nothing, in ms. */
const SHORTEST_LONG = 5 * 60_000
const SHORTEST_SHORT = 60_000
/** The short window is the twelfth part, as in the workbook. */
const SHORT_PART = 12

/**
 * The windows to look at for an objective over `length` ms: those of the workbook, and for less than 30 days as much shorter, so that the same part of the budget
 * is gone when they alert.
 */
export function burnWindows(length: number): readonly BurnWindow[] {
  const scale = Math.min(1, length / MONTH)
  return OF_A_MONTH.map(({ severity, long, factor }) => {
    const scaled = Math.max(SHORTEST_LONG, Math.round((long * scale) / 60_000) * 60_000)
    return { severity, factor, long: scaled, short: Math.max(SHORTEST_SHORT, Math.round(scaled / SHORT_PART)) }
  })
}
