import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** What became of a file that is made and may be edited. */
export type Written = 'written' | 'unchanged' | 'edited'

/** Of the templates: told in each file, so that it can be seen by which it was made. */
const VERSION = 1

const STAMP = /^(?:# |<!-- )Made by weft adopt plan, template \d+, checksum ([0-9a-f]{12})\. .*\n/

/**
 * Writes a file that people may edit: its first line says what it held when it was made. One that holds something else by now was edited, and is left
 * alone.
 */
export function writeGenerated(path: string, body: string): Written {
  const stamp = `Made by weft adopt plan, template ${VERSION}, checksum ${checksum(body)}. Edit it as you like: it is left alone then.`
  const text = `${path.endsWith('.md') ? `<!-- ${stamp} -->` : `# ${stamp}`}\n${body}`
  if (existsSync(path)) {
    const before = readFileSync(path, 'utf8')
    if (before === text) return 'unchanged'
    const [line = '', made] = STAMP.exec(before) ?? []
    if (made === undefined || made !== checksum(before.slice(line.length))) return 'edited'
  }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return 'written'
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 12)
}
