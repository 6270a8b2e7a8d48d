import { type Duration, durationFromMs } from '@bufbuild/protobuf/wkt'
import { parseDuration } from '../../resources/duration.ts'

/** A duration as people write it (`1.5s`, `1h30m`), for Envoy; undefined where absent or unreadable. */
export function envoyDuration(text: string | undefined): Duration | undefined {
  if (text === undefined) return undefined
  const duration = parseDuration(text)
  return duration.ok ? durationFromMs(Math.round(duration.milliseconds)) : undefined
}

export function isZero(duration: Duration): boolean {
  return !duration.seconds && !duration.nanos
}
