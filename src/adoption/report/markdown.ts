import { type Block, type Cell, percent, type ReportDocument } from './document.ts'

/** A report in Markdown (GitHub's, for tables and boxes). */
export function markdownOf({ title, subtitle, blocks }: ReportDocument): string {
  return `${[`# ${safe(title)}`, safe(subtitle), ...blocks.map(blockText)].filter((text) => text !== '').join('\n\n')}\n`
}

function blockText(block: Block): string {
  if ('heading' in block) return `${'#'.repeat(block.level ?? 2)} ${safe(block.heading)}`
  if ('text' in block) return safe(block.text)
  if ('verdict' in block) return `> **${safe(block.verdict)}**`
  if ('list' in block) return block.list.map((item) => `- ${safe(item)}`).join('\n')
  if ('todo' in block) return block.todo.map(({ text, done }) => `- [${done ? 'x' : ' '}] ${safe(text)}`).join('\n')
  if ('code' in block) return ['```', block.language ?? '', '\n', block.code.trimEnd(), '\n```'].join('')
  if ('bars' in block)
    return block.bars
      .map(({ label, share, says }) => `- ${safe(label)}: ${percent(share)}${says ? `, ${safe(says)}` : ''}`)
      .join('\n')
  const rule = block.headings.map((_, i) => (block.rows.some((row) => typeof row[i] === 'number') ? '---:' : '---'))
  return [block.headings, rule, ...block.rows].map(line).join('\n')
}

function line(cells: readonly Cell[]): string {
  return `| ${cells.map((cell) => safe(String(cell)).replaceAll('|', '\\|').replaceAll('\n', '<br>')).join(' | ')} |`
}

/** What people wrote must not become markup. */
function safe(text: string): string {
  return text.replaceAll(/([\\`*_[\]<>])/g, '\\$1').replace(/^([#+-]|\d+\.) /, '\\$1 ')
}
