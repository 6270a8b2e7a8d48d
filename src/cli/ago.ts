/** How long ago something was: `5 min ago`. @param at ms since the epoch */
export function agoText(at: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - at) / 1000)
  for (const [unit, length] of UNITS) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit} ago`
  return 'just now'
}

const UNITS = [
  ['days', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const
