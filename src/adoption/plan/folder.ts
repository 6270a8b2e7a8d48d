import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { markdownOf } from '../report/markdown.ts'
import { type Written, writeGenerated } from './generated-files.ts'
import type { Plan } from './plan.ts'
import { playbookOf } from './playbook.ts'
import { rolloutOf } from './rollout.ts'

/** Writes the plan, and a playbook and a rollout template for each bucket. Returns the paths, with what became of each. */
export function writePlan(folder: string, plan: Plan): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>()
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'plan.yaml')
  writeFileSync(path, stringify(plan, { aliasDuplicateObjects: false, lineWidth: 0 }))
  written.set(path, 'written')
  for (const bucket of plan.buckets) {
    const home = join(folder, 'buckets', bucket.name)
    const playbook = join(home, 'playbook.md')
    written.set(playbook, writeGenerated(playbook, markdownOf(playbookOf(bucket, plan))))
    for (const { name, text } of rolloutOf(bucket.traits)) {
      const file = join(home, 'rollout', name)
      written.set(file, writeGenerated(file, text))
    }
  }
  return written
}

/** Applications that joined, with the day: from `joined.yaml`, `NAMESPACE/NAME: DAY`, which people keep until onboarding does. @throws Error naming what is wrong */
export function readJoined(folder: string): ReadonlyMap<string, string> {
  const path = join(folder, 'joined.yaml')
  if (!existsSync(path)) return new Map()
  const value = parse(readFileSync(path, 'utf8')) as unknown
  if (value === null) return new Map()
  if (typeof value !== 'object')
    throw new Error(`${path} holds no map; write a line for each, NAMESPACE/NAME: 2026-05-31`)
  const entries = Object.entries(value as Readonly<Record<string, unknown>>)
  return new Map(
    entries.map(([application, day]) => {
      if (typeof day !== 'string' || Number.isNaN(Date.parse(day)))
        throw new Error(`${path}: ${application}: ${JSON.stringify(day)} is no day; write one such as 2026-05-31`)
      return [application, new Date(day).toISOString()]
    }),
  )
}
