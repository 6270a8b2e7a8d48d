import type { Message, Severity } from '../resources/message.ts'
import { styled, styledSeverity } from './style.ts'

/**
 * A message for people: first where (`FILE:LINE:COLUMN`, so that editors and terminals can go there) and what object and
 * field, then what is wrong, then what to do.
 */
export function messageBlock({ position, severity, object, field, problem, remedy, rule }: Message): string {
  const place = position ? `${position.file}:${position.line}:${position.column}: ` : ''
  const subject = [object, field].filter(Boolean).join(' ')
  return [
    `${styled('bold', place)}${styledSeverity(severity)}${subject ? `: ${subject}` : ''}`,
    `    ${problem} ${styled('dim', `[${rule}]`)}`,
    `    ${styled('green', 'fix:')} ${remedy}`,
    '',
  ].join('\n')
}

const NOUNS: Readonly<Record<Severity, readonly [one: string, many: string]>> = {
  error: ['error', 'errors'],
  warning: ['warning', 'warnings'],
  info: ['info', 'infos'],
}

/** `2 errors, 1 warning`; `no problems found` where there is nothing. */
export function summary(messages: readonly Message[]): string {
  const counts = (Object.keys(NOUNS) as Severity[]).flatMap((severity) => {
    const count = messages.filter((message) => message.severity === severity).length
    return count === 0 ? [] : [`${count} ${NOUNS[severity][count === 1 ? 0 : 1]}`]
  })
  return counts.join(', ') || 'no problems found'
}

/** `1 object`, `3 objects`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
