import { escapeRegex } from '../../resources/escape-regex.ts'

/** What may follow in a path: nothing that stands for a slash, by which it would lead elsewhere once somebody decodes it. */
const REST = '([^%?]|%[013-46-9a-fA-F][0-9a-fA-F]|%2[0-9a-eA-E]|%5[0-9abd-fABD-F])*'

/** A regular expression for the paths that `publicPaths` of an OIDCPolicy names, without the query. */
export function publicPathRegex(paths: readonly string[]): string {
  return paths
    .map((path) => (path.endsWith('*') ? `${escapeRegex(path.slice(0, -1))}${REST}` : escapeRegex(path)))
    .map((each) => `(${each})`)
    .join('|')
}
