/**
 * Envoy's regular expressions are RE2's, which are not JavaScript's: neither look-around nor backreferences, other flags and escapes.
 * The grammar is at https://github.com/google/re2/wiki/Syntax.
 */

/** What is wrong with a regular expression, and where; `undefined` where RE2 takes it. */
export function re2Error(pattern: string): string | undefined {
  try {
    new Scanner(pattern).scan()
    return undefined
  } catch (error) {
    if (error instanceof SyntaxError) return error.message
    throw error
  }
}

/** Letters that may follow a backslash; digits and punctuation are looked at apart. */
const LETTER_ESCAPES = new Set('aftnrvdDsSwWbBAzC')
const CLASS_NAMES = new Set(
  'alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit'.split(' '),
)
/** RE2 refuses to repeat more often than this, one repetition within another multiplied. */
const LARGEST_REPEAT = 1000

class Scanner {
  readonly #text: string
  #at = 0
  /** Where the groups that are open began. */
  readonly #open: number[] = []
  /** Whether there is something before this place that can be repeated. */
  #repeatable = false
  /** Whether that something is a repetition already. */
  #repeated = false
  /** How often what is in that something is repeated, at most. */
  #times = 1
  /** The same of what is in each open group so far. */
  readonly #timesInside: number[] = []

  constructor(text: string) {
    this.#text = text
  }

  scan(): void {
    while (this.#at < this.#text.length) this.#next()
    const open = this.#open.at(-1)
    if (open !== undefined) throw this.#wrong('"(" is never closed', open)
  }

  #next(): void {
    const start = this.#at
    const char = this.#text.charAt(this.#at++)
    switch (char) {
      case '(':
        this.#group(start)
        return
      case ')':
        if (this.#open.pop() === undefined) throw this.#wrong('")" closes nothing', start)
        this.#item(this.#timesInside.pop())
        return
      case '[':
        this.#class(start)
        this.#item()
        return
      case '\\':
        this.#escape(start)
        return
      case '|':
        this.#repeatable = false
        return
      case '*':
      case '+':
      case '?':
        this.#repeat(char, start)
        return
      case '{': {
        const counts = /^(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at))
        // Braces that are no count stand for themselves.
        if (!counts) this.#item()
        else this.#count(counts, start)
        return
      }
      default:
        this.#item()
    }
  }

  #item(times = 1): void {
    this.#repeatable = true
    this.#repeated = false
    this.#holds(times)
  }

  #holds(times: number): void {
    this.#times = times
    const inside = this.#timesInside.length - 1
    if (inside >= 0) this.#timesInside[inside] = Math.max(times, this.#timesInside[inside] ?? 1)
  }

  #repeat(operator: string, start: number): void {
    if (!this.#repeatable) throw this.#wrong(`there is nothing before "${operator}" that it could repeat`, start)
    if (this.#repeated) throw this.#wrong(`"${operator}" repeats a repetition`, start)
    // `a*?` prefers few repetitions.
    if (this.#text[this.#at] === '?') this.#at++
    this.#repeated = true
  }

  #count([text, least, comma, most]: RegExpExecArray, start: number): void {
    this.#at += text.length
    this.#repeat(`{${text}`, start)
    const from = Number(least)
    const to = comma === undefined || most === '' ? from : Number(most)
    if (to < from) throw this.#wrong(`"{${text}" counts down`, start)
    if (to > LARGEST_REPEAT) throw this.#wrong(`"{${text}" repeats more than ${LARGEST_REPEAT} times`, start)
    const times = this.#times * Math.max(1, to)
    if (times > LARGEST_REPEAT)
      throw this.#wrong(`"{${text}" repeats repetitions, ${times} times in all: RE2 takes ${LARGEST_REPEAT}`, start)
    this.#holds(times)
  }

  #group(start: number): void {
    if (this.#text[this.#at] !== '?') {
      this.#begin(start)
      return
    }
    const rest = this.#text.slice(this.#at)
    if (/^\?<?[=!]/.test(rest)) throw this.#wrong(`"(${/^\?<?[=!]/.exec(rest)}" looks around, which RE2 cannot`, start)
    const opening = /^\?(?:P?<\w+>|[imsU]*(?:-[imsU]+)?(:|\)))/.exec(rest)
    if (!opening) throw this.#wrong(`"(${rest.slice(0, 3)}" begins no kind of group that RE2 knows`, start)
    this.#at += opening[0].length
    // `(?i)` sets flags for what follows and is no group.
    if (opening[1] !== ')') this.#begin(start)
  }

  #begin(start: number): void {
    this.#open.push(start)
    this.#timesInside.push(1)
    this.#repeatable = false
  }

  #escape(start: number): void {
    const char = this.#text.charAt(this.#at++)
    if (char === '') throw this.#wrong('"\\" at the end escapes nothing', start)
    if (char === 'Q') {
      const end = this.#text.indexOf('\\E', this.#at)
      this.#at = end < 0 ? this.#text.length : end + 2
    } else this.#escaped(char, start)
    this.#item()
  }

  /** After the backslash and `char`. */
  #escaped(char: string, start: number): void {
    const rest = this.#text.slice(this.#at)
    if (/[1-9]/.test(char)) {
      const octal = /^[0-7]{1,2}/.exec(rest)
      if (!octal || char > '7') throw this.#wrong(`"\\${char}" refers back to a group, which RE2 cannot`, start)
      this.#at += octal[0].length
    } else if (char === 'x') {
      const hex = /^(?:[\da-fA-F]{2}|\{[\da-fA-F]+\})/.exec(rest)
      if (!hex) throw this.#wrong('"\\x" needs two hexadecimal digits, or some in braces', start)
      this.#at += hex[0].length
    } else if (char === 'p' || char === 'P') {
      const property = /^(?:[A-Z]|\{\^?\w+\})/.exec(rest)
      if (!property) throw this.#wrong(`"\\${char}" needs the name of a Unicode class, as in "\\${char}{Greek}"`, start)
      this.#at += property[0].length
    } else if (/[a-zA-Z]/.test(char) && !LETTER_ESCAPES.has(char)) {
      throw this.#wrong(`"\\${char}" is no escape that RE2 knows`, start)
    }
  }

  #class(start: number): void {
    if (this.#text[this.#at] === '^') this.#at++
    let first = true
    for (;;) {
      const char = this.#text.charAt(this.#at)
      if (char === '') throw this.#wrong('"[" is never closed', start)
      if (char === ']' && !first) break
      first = false
      const low = this.#classMember()
      // `[a-z]`, but not the dash in `[a-]`.
      if (this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']') continue
      const dash = this.#at++
      if (this.#at >= this.#text.length) throw this.#wrong('"[" is never closed', start)
      const high = this.#classMember()
      if (low !== undefined && high !== undefined && high < low)
        throw this.#wrong(`the range "${this.#text.slice(dash - 1, this.#at)}" runs backwards`, dash - 1)
    }
    this.#at++
  }

  /** @returns the code of a plain character, undefined for what stands for several */
  #classMember(): number | undefined {
    const start = this.#at
    const named = /^\[:\^?(\w+):\]/.exec(this.#text.slice(start))
    if (named) {
      if (!CLASS_NAMES.has(named[1] ?? '')) throw this.#wrong(`there is no class "${named[0]}"`, start)
      this.#at += named[0].length
      return undefined
    }
    const char = this.#text.codePointAt(start) ?? 0
    this.#at += char > 0xffff ? 2 : 1
    if (char !== 92 /* backslash */) return char
    const escaped = this.#text.charAt(this.#at++)
    if (escaped === '') throw this.#wrong('"[" is never closed', start)
    this.#escaped(escaped, start)
    return /[a-zA-Z\d]/.test(escaped) ? undefined : escaped.charCodeAt(0)
  }

  #wrong(problem: string, at: number): SyntaxError {
    return new SyntaxError(`${problem} (at character ${at + 1})`)
  }
}
