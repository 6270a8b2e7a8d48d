import type { ExplainedStep } from '../server/authorization-check.ts'

/** What one policy says of a call, with the place where it is written. */
export function stepText({ layer, source, rule, refused, says }: ExplainedStep): string {
  const place = source?.file === undefined ? '' : ` (${source.file}:${source.line})`
  const object = source ? ` ${source.object}${rule === undefined ? '' : ` rule ${rule}`}${place}` : ''
  return `  ${refused ? '✗' : '✓'} ${layer}${object}: ${says}`
}
