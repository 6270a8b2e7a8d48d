import { type Block, type Cell, percent, type ReportDocument } from '../report/document.ts'
import { type ApplicationProgress, isInMesh, type Progress, type Standing } from './progress.ts'
import type { DatedStanding } from './saved.ts'

const NOT_OBSERVED = 'not observed'
const MEBIBYTE = 1024 * 1024
/** Of days that were kept, as many as a page shows. */
const MOST_DAYS = 12

/** One page for those who pay for it. @param days how far it was before, the oldest first */
export function progressReport(progress: Progress, days: readonly DatedStanding[]): ReportDocument {
  const { all, applications } = progress
  return {
    title: 'Progress of the mesh',
    subtitle: `${progress.at.slice(0, 10)}, ${all.applications} applications${all.exempt > 0 ? `, and ${all.exempt} that stay out of it` : ''}`,
    blocks: [
      verdict(all),
      { bars: barsOf(all) },
      { heading: 'By team' },
      table(
        'Team',
        progress.teams.map((each) => [each.team, each]),
      ),
      { heading: 'By criticality' },
      table(
        'Criticality',
        progress.criticalities.map((each) => [each.criticality, each]),
      ),
      ...overTime(days),
      { heading: 'What it spared, and what it costs' },
      { list: [...sparedTexts(progress), ...costTexts(progress)] },
      ...notYet(applications),
    ],
  }
}

function verdict({ applications, inMesh, strict }: Standing): Block {
  const mood = strict === applications ? 'good' : inMesh > 0 ? 'middling' : 'bad'
  if (applications === 0) return { verdict: 'There is no application in the inventory.', mood: 'bad' }
  return {
    verdict: `${inMesh} of ${applications} applications are in the mesh, and ${strict} take nothing but mutual TLS.`,
    mood,
  }
}

function barsOf({ applications, inMesh, strict, authorized, encrypted }: Standing) {
  const of = (count: number) => (applications === 0 ? 0 : count / applications)
  return [
    { label: 'In the mesh', share: of(inMesh), says: `${inMesh} of ${applications}` },
    { label: 'Mutual TLS alone', share: of(strict), says: `${strict} of ${applications}` },
    { label: 'Callers authorized', share: of(authorized), says: `${authorized} of ${applications}` },
    {
      label: 'Calls encrypted',
      share: encrypted ?? 0,
      says: encrypted === null ? NOT_OBSERVED : 'of those that proxies saw',
    },
  ]
}

function table(what: string, rows: readonly (readonly [string, Standing])[]): Block {
  return {
    headings: [what, 'Applications', 'In the mesh', 'Mutual TLS alone', 'Authorized', 'Calls encrypted'],
    rows: rows.map(([name, { applications, inMesh, strict, authorized, encrypted }]): Cell[] => [
      name,
      applications,
      inMesh,
      strict,
      authorized,
      encrypted === null ? NOT_OBSERVED : percent(encrypted),
    ]),
  }
}

function overTime(days: readonly DatedStanding[]): Block[] {
  if (days.length < 2) return [{ heading: 'Over time' }, { text: 'This is the first day that was kept.' }]
  const every = Math.ceil(days.length / MOST_DAYS)
  // The last day always counts.
  const shown = days.filter((_, i) => (days.length - 1 - i) % every === 0)
  return [
    { heading: 'Over time' },
    {
      bars: shown.map(({ day, applications, inMesh, strict }) => ({
        label: day,
        share: applications === 0 ? 0 : inMesh / applications,
        says: `${inMesh} of ${applications} in the mesh, ${strict} with mutual TLS alone`,
      })),
    },
  ]
}

function sparedTexts({ spared: { savedByRetry, instancesLeftAlone } }: Progress): string[] {
  return [
    savedByRetry === null
      ? `Requests saved by sending them again: ${NOT_OBSERVED}`
      : `${savedByRetry} requests failed at first and were answered well when proxies sent them again`,
    instancesLeftAlone === null
      ? `Instances left alone as they failed: ${NOT_OBSERVED}`
      : `${instancesLeftAlone} times an instance that failed was left alone, and others answered in its place`,
    'Both are counted by each proxy since it started; who started anew has forgotten.',
  ]
}

function costTexts({ cost: { proxies, asked, memory } }: Progress): string[] {
  if (memory === null) return [`Memory of ${proxies} proxies: ${NOT_OBSERVED}`]
  const each = Math.round(memory / asked / MEBIBYTE)
  return [
    `${proxies} proxies${asked < proxies ? ` (of which ${asked} answered)` : ''} hold ${Math.round(memory / MEBIBYTE)} MiB of memory, ${each} MiB each`,
    `CPU of proxies: ${NOT_OBSERVED} here; weft adopt capacity reckons it from the rate of requests`,
  ]
}

function notYet(applications: readonly ApplicationProgress[]): Block[] {
  const out = applications.filter((each) => each.exempt === undefined && !isInMesh(each))
  const exempt = applications.filter((each) => each.exempt !== undefined)
  return [
    ...(out.length > 0
      ? [{ heading: 'Not in the mesh yet' }, { text: `${out.map(({ application }) => application).join(', ')}.` }]
      : []),
    ...(exempt.length > 0
      ? [
          { heading: 'To stay out of it' },
          { list: exempt.map(({ application, exempt: why }) => `${application}: ${why}`) },
        ]
      : []),
  ]
}
