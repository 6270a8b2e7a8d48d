/** Where this room and the agent say what happened. Never given keys or tokens. */
export type Log = (severity: 'info' | 'warning' | 'error', text: string) => void

/** One line on standard error. */
export const logToStderr: Log = (severity, text) => {
  process.stderr.write(`weft: ${severity === 'info' ? '' : `${severity}: `}${text}\n`)
}
