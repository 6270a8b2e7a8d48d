import { styleText } from 'node:util'
import type { Severity } from '../resources/message.ts'

type Style = Parameters<typeof styleText>[0]

/** Text in a colour, where the stream is a terminal and neither NO_COLOR nor NODE_DISABLE_COLORS is set (FORCE_COLOR overrules). */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream, validateStream: true })
}

const SEVERITY_STYLES: Readonly<Record<Severity, Style>> = { error: 'red', warning: 'yellow', info: 'cyan' }

export function styledSeverity(severity: Severity): string {
  return styled(SEVERITY_STYLES[severity], severity)
}
