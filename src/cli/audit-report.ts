import type { Command } from 'commander'
import type { Block, ReportDocument } from '../adoption/report/document.ts'
import { type Control, controls, type Standing } from '../management/audit/controls.ts'
import type { AuditFacts } from '../management/audit/facts.ts'
import { type ReportFormat, reportOption, reportText } from './adopt/report-output.ts'
import { withExamples } from './examples.ts'
import { lengthOfTime } from './length-of-time.ts'
import { print } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

interface Options extends MeshOptions {
  readonly since: number
  readonly output: ReportFormat
}

/** `weft audit report` */
export function defineAuditReport(command: Command): void {
  command
    .description(
      'Says what is encrypted and what not, edge by edge; which workloads would take plaintext, and who used it last; which policies are in force, and since when; algorithms and lives of certificates; and what that means for requirements of NIST SP 800-204A, 800-204B, 800-207A and PCI DSS 4, each with its evidence. What was not observed is called not observed.',
    )
    .option('--since <duration>', 'evidence of this time: 12h, 30d', lengthOfTime, lengthOfTime('30d'))
    .addOption(reportOption().default('markdown'))
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['for the auditor', 'weft audit report -o html > audit.html'],
    ['for a pipeline', 'weft audit report -o json'],
  ])
}

async function run({ since, output, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const to = Date.now()
  const facts = await mesh.get<AuditFacts>(`audit/facts?from=${to - since}&to=${to}`)
  const required = controls(facts)
  await print(await reportText(output, document(mesh.label, facts, required), { ...facts, controls: required }))
}

function document(label: string, facts: AuditFacts, required: readonly Control[]): ReportDocument {
  const { edges, workloads, policies, certificates, transport, refusals } = facts
  const holds = required.filter(({ standing }) => standing === 'holds').length
  const mood =
    holds === required.length
      ? 'good'
      : required.some(({ standing }) => standing === 'does not hold')
        ? 'bad'
        : 'middling'
  return {
    title: 'Audit report',
    subtitle: `${label}, ${day(facts.from)} to ${day(facts.to)}; traffic is recorded ${facts.recordedSince === null ? 'not yet' : `since ${time(facts.recordedSince)}`}`,
    blocks: [
      { verdict: `${holds} of ${required.length} requirements hold, by what was observed.`, mood },
      { heading: 'Requirements' },
      {
        headings: ['Requirement', 'Asks for', 'Standing', 'Evidence'],
        rows: required.map(({ requirement, asks, standing, evidence }) => [
          requirement,
          asks,
          SIGNS[standing],
          evidence,
        ]),
      },
      { heading: 'Encryption, by edge' },
      ...listed(
        ['From', 'To', 'Protocol', 'Calls', 'Mutual TLS'],
        edges.map((edge) => [
          edge.source,
          edge.destination,
          edge.protocol,
          Math.round(edge.calls),
          shareText(edge.mutualTls),
        ]),
        'No traffic was observed.',
      ),
      { heading: 'Workloads' },
      ...listed(
        ['Workload', 'Mutual TLS, by port', 'Plaintext used last', 'Policies'],
        workloads.map(({ namespace, workload, ports, lastPlaintext, policies: count }) => [
          `${namespace}/${workload}`,
          ports.map(({ port, mtls }) => `${port} ${mtls}`).join(', ') || 'no port',
          lastPlaintext ? `${time(lastPlaintext.at)} by ${lastPlaintext.by}` : 'not observed',
          count,
        ]),
        'No workload has a proxy.',
      ),
      { heading: 'Policies in force' },
      ...listed(
        ['Kind', 'Object', 'Since'],
        policies.map(({ kind, namespace, name, since }) => [
          kind,
          `${namespace}/${name}`,
          since === null ? 'before changes were recorded' : time(since),
        ]),
        'There is none.',
      ),
      { heading: 'Certificates and algorithms' },
      {
        list: [
          `${certificates.count} certificates are valid: ${
            Object.entries(certificates.keys)
              .map(([key, count]) => `${count} of ${key}`)
              .join(', ') || 'none'
          }.`,
          certificates.longestLife === null
            ? 'Their lives were not observed.'
            : `The longest life is ${(certificates.longestLife / 3_600_000).toFixed(1)} h.`,
          certificates.selfMadeRoot === null
            ? 'Whose root they end in was not observed.'
            : certificates.selfMadeRoot
              ? 'The root was made by Weft itself: not for production.'
              : 'The root is not of Weft’s own making.',
          `Between proxies: ${transport.minimumVersion} at least.`,
        ],
      },
      { heading: 'Refused attempts' },
      ...listed(
        ['Time', 'Action', 'Who', 'About', 'Reason'],
        refusals.map(({ time: at, action, who, about = '', reason = '' }) => [
          at.slice(0, 19),
          action,
          who,
          about,
          reason,
        ]),
        'None is recorded.',
      ),
    ],
  }
}

const SIGNS: Readonly<Record<Standing, string>> = {
  holds: '✓ holds',
  'holds in part': '◐ holds in part',
  'does not hold': '✗ does not hold',
  'not observed': '? not observed',
}

function listed(headings: readonly string[], rows: readonly (readonly (string | number)[])[], none: string): Block[] {
  return rows.length > 0 ? [{ headings, rows }] : [{ text: none }]
}

function shareText(share: number | null): string {
  if (share === null) return 'not observed'
  return share === 1 ? 'all' : share === 0 ? 'none' : `${(share * 100).toFixed(1)} %`
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ')
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
