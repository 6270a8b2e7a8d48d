import type { RuntimeFractionalPercentSchema } from '#envoy/config/core/v3/base'
import { FractionalPercent_DenominatorType, type FractionalPercentSchema } from '#envoy/type/v3/percent'
import type { Init } from './init.ts'

/** `percent`, from 0 to 100, to a ten-thousandth. */
export function fraction(percent: number): Init<typeof FractionalPercentSchema> {
  const numerator = Math.round(Math.min(Math.max(percent, 0), 100) * 10_000)
  return { numerator, denominator: FractionalPercent_DenominatorType.MILLION }
}

export function runtimeFraction(percent: number): Init<typeof RuntimeFractionalPercentSchema> {
  return { defaultValue: fraction(percent) }
}
