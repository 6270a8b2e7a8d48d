const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Ms of a length of time as Weft's own kinds have it, a number with m, h or d; undefined for what is none. */
export function lengthOf(text: string): number | undefined {
  const [, amount, unit = ''] = /^([1-9][0-9]{0,3})([mhd])$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * (UNITS[unit] ?? Number.NaN)
}

/** The same in words: `30d`, `6h`, `90m`. */
export function lengthText(milliseconds: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const)
    if (milliseconds >= size && milliseconds % size === 0) return `${milliseconds / size}${unit}`
  return `${Math.round(milliseconds / 1000)}s`
}
