/** A text as a regular expression that means nothing but itself, for RE2 and for JavaScript. */
export function escapeRegex(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
