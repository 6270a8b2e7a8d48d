/** A length of time in milliseconds, or what is wrong with the text, as the end of a sentence (`is not a duration`). */
export type Duration =
  | { readonly ok: true; readonly milliseconds: number }
  | { readonly ok: false; readonly problem: string }

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ns: 1e-6,
}

/**
 * A duration as Istio takes it: Go's format (`1h30m`, `1.5s`, `100ms`), of which protobuf's JSON (`1.5s`) is a part.
 * Negative ones are refused: no field of Istio's means anything by them.
 */
export function parseDuration(text: string): Duration {
  if (text === '0') return { ok: true, milliseconds: 0 }
  const parts = [...text.matchAll(/(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|μs|ns)/gy)]
  const read = parts.reduce((length, [part]) => length + part.length, 0)
  if (text === '' || read !== text.length) return wrong(text, 'a duration such as "1.5s", "100ms" or "1h30m"')
  let milliseconds = 0
  for (const [, amount, unit = ''] of parts) milliseconds += Number(amount) * (UNITS[unit] ?? Number.NaN)
  return { ok: true, milliseconds }
}

/** A duration as Gateway API takes it (GEP-2257): up to four whole numbers of at most five digits, of h, m, s and ms. */
export function parseGatewayDuration(text: string): Duration {
  if (!/^([0-9]{1,5}(h|m|s|ms)){1,4}$/.test(text)) {
    return wrong(text, 'a duration of whole numbers such as "10s", "500ms" or "1h30m"')
  }
  return parseDuration(text)
}

function wrong(text: string, right: string): Duration {
  if (/^-/.test(text)) return { ok: false, problem: `"${text}" is negative, must be ${right}` }
  if (/^\d+(\.\d+)?$/.test(text)) return { ok: false, problem: `"${text}" has no unit, must be ${right}` }
  return { ok: false, problem: `"${text}" is not ${right}` }
}
