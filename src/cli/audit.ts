import type { Command } from 'commander'
import { defineAuditList } from './audit-list.ts'
import { defineAuditReport } from './audit-report.ts'

/** `weft audit` */
export function define(command: Command): void {
  command.description(
    'What an auditor asks for: who was refused what, and what was done to the certificate authority, by whom.',
  )
  defineAuditList(command.command('list').summary('list attempts that were refused, and operations'))
  defineAuditReport(command.command('report').summary('show an auditor what holds, and by what it is known'))
}
