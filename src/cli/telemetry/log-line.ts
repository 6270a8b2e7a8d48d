import type { ApplicationLog } from '../../telemetry/questions/application-logs.ts'
import type { LogEntry } from '../../telemetry/questions/logs.ts'
import { styled } from '../style.ts'
import { clockTime, milliseconds } from './numbers.ts'

/** A log as one line for people. */
export function logLine(log: LogEntry): string {
  const { at, reporter, kind, source, destination, service, method, path, status, flags, duration, details, failure } =
    log
  const called = destination.workload === 'unknown' ? service || log.authority || 'unknown' : destination.workload
  const colour = flags !== '' || status >= 500 ? 'red' : status >= 400 ? 'yellow' : 'green'
  const outcome = kind === 'request' ? String(status || 'no answer') : 'TCP'
  const why = [details === 'via_upstream' ? '' : details, failure].filter((text) => text !== '').join('; ')
  return [
    styled('dim', clockTime(at)),
    `${source.workload} → ${called}`,
    styled(colour, [outcome, flags].filter(Boolean).join(' ')),
    kind === 'request' ? `${method} ${path}` : `${log.receivedBytes} B in, ${log.sentBytes} B out`,
    milliseconds(duration),
    ...(reporter === 'destination' ? [styled('dim', '(as the server saw it)')] : []),
    ...(why === '' ? [] : [styled('dim', why)]),
  ].join('  ')
}

/** What an application logged, as a line; further lines of its text are kept, moved in. */
export function applicationLogLine({ at, severity, service, namespace, text }: ApplicationLog): string {
  const grave = severity === 'error' || severity === 'fatal'
  const word = (severity ?? '-').padEnd(5)
  const who = namespace === '' ? service : `${service}.${namespace}`
  return `${clockTime(at)} ${grave ? styled('red', word) : severity === 'warn' ? styled('yellow', word) : word} ${who}: ${printable(text.trimEnd()).replaceAll('\n', '\n    ')}\n`
}

/** Without what a terminal would act upon: anybody may have written it. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}--[\n\t]]/gv, '\ufffd')
}
