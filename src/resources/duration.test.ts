import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDuration, parseGatewayDuration } from './duration.ts'

describe('as Istio writes it', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['1.5s', 1500],
    ['.5s', 500],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['2m3s', 123_000],
    ['100ms', 100],
    ['250us', 0.25],
    ['1s500ms', 1500],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toEqual({ ok: true, milliseconds })
  })

  test.each(['', 's', '5', '1.5', '-1s', '1 s', '10sec', '1s 2s', '1d', '1.2.3s', 'PT1S', '1S', '٣s'])(
    '%j is none',
    (text) => {
      const read = parseDuration(text)
      expect(read.ok).toBe(false)
      expect(read.ok || read.problem).toContain(`"${text}"`)
    },
  )

  test('says what is missing', () => {
    expect(parseDuration('5')).toEqual({
      ok: false,
      problem: '"5" has no unit, must be a duration such as "1.5s", "100ms" or "1h30m"',
    })
    expect(parseDuration('-5s')).toMatchObject({ problem: expect.stringContaining('negative') })
  })

  test('whole numbers of seconds and milliseconds add up', () => {
    fc.assert(
      fc.property(fc.nat(99999), fc.nat(999), (seconds, rest) => {
        expect(parseDuration(`${seconds}s${rest}ms`)).toEqual({ ok: true, milliseconds: seconds * 1000 + rest })
      }),
    )
  })
})

describe('as Gateway API writes it', () => {
  test.each([
    ['0s', 0],
    ['10s', 10_000],
    ['1h30m10s500ms', 5_410_500],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseGatewayDuration(text)).toEqual({ ok: true, milliseconds })
  })

  test.each(['1.5s', '100000s', '0', '', '1h1m1s1ms1s', '5us'])('%j is none', (text) => {
    expect(parseGatewayDuration(text).ok).toBe(false)
  })
})
