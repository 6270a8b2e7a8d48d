import { Option } from 'commander'
import type { ReportDocument } from '../../adoption/report/document.ts'
import { htmlOf } from '../../adoption/report/html.ts'
import { markdownOf } from '../../adoption/report/markdown.ts'
import { structured } from '../output-format.ts'

export type ReportFormat = 'markdown' | 'html' | 'json' | 'yaml'

/** `-o markdown|html|json|yaml`: what goes to standard output instead of the short text for the terminal. */
export function reportOption(): Option {
  return new Option(
    '-o, --output <format>',
    'print a whole report (html is for browsers and for paper), or data for machines',
  ).choices(['markdown', 'html', 'json', 'yaml'])
}

/** A report, or what it is made of, as text. */
export function reportText(format: ReportFormat, report: ReportDocument, data: unknown): string | Promise<string> {
  if (format === 'markdown') return markdownOf(report)
  if (format === 'html') return htmlOf(report)
  return structured(format, data)
}
