/** What a value is, for the middle of a sentence: `the string "abc"`, `a list`. */
export function described(value: unknown): string {
  if (value === null) return 'empty (null)'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return value === '' ? 'an empty string' : `the string ${shortened(JSON.stringify(value))}`
    case 'number':
      return `the number ${value}`
    case 'boolean':
      return `the boolean ${value}`
    default:
      return 'a map'
  }
}

/** What a value is when it is nobody's business which: `a string`. */
export function describedType(value: unknown): string {
  return value === null || typeof value === 'object' ? described(value) : `a ${typeof value}`
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}..."` : text
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
}

/** JSON Schema's `type` in words: `an integer or a string`. That a value may be null goes unsaid: it is better left out. */
export function typeNames(type: unknown): string {
  const types = [type].flat().filter((name) => name !== 'null')
  const names = types.map((name) => TYPES[String(name)] ?? String(name))
  return listed(names, 'or')
}

/** `a, b and c`. */
export function listed(names: readonly string[], word: 'and' | 'or'): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1)}`
}

/** How much there is of something: `3 characters`, `1 item`. */
export function count(value: unknown): string {
  if (typeof value === 'string') return plural(value.length, 'character', 'characters')
  if (Array.isArray(value)) return plural(value.length, 'item', 'items')
  return plural(Object.keys(value as object).length, 'entry', 'entries')
}

function plural(amount: number, one: string, many: string): string {
  return `${amount} ${amount === 1 ? one : many}`
}
