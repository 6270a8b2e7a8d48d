import type { Command } from 'commander'
import { defineAssess } from './adopt/assess.ts'
import { defineCapacity } from './adopt/capacity.ts'
import { defineDemo } from './adopt/demo.ts'
import { defineImport } from './adopt/import.ts'
import { defineOnboard } from './adopt/onboard.ts'
import { definePipeline } from './adopt/pipeline.ts'
import { definePlan } from './adopt/plan.ts'
import { definePrecheck } from './adopt/precheck.ts'
import { definePrepare } from './adopt/prepare.ts'
import { defineProgress } from './adopt/progress.ts'
import { defineStatus } from './adopt/status.ts'

const SUBCOMMANDS: readonly (readonly [name: string, summary: string, define: (command: Command) => void])[] = [
  ['assess', 'ask whether you need a mesh, and are ready for one', defineAssess],
  ['import', 'list applications, with owner, criticality and what they need', defineImport],
  ['plan', 'put them into an order, with a reason for each', definePlan],
  ['prepare', 'what teams settle before, ticked where it can be seen', definePrepare],
  ['capacity', 'tell what proxies will take', defineCapacity],
  ['precheck', 'look whether an application can take proxies', definePrecheck],
  ['onboard', 'take an application into the mesh, step by step', defineOnboard],
  ['status', 'show how far each application is', defineStatus],
  ['demo', 'see all of it on this machine, from no mesh to mutual TLS everywhere', defineDemo],
  ['progress', 'show on a page how far it is, for those who pay for it', defineProgress],
  ['pipeline', 'print a template for a team’s own pipeline', definePipeline],
]

/** `weft adopt` */
export function define(command: Command): void {
  command.description(
    'Carries a company from "do we need a mesh" to mutual TLS everywhere, one application at a time, on evidence. What is written down stands in a folder made for git.',
  )
  for (const [name, summary, defineOne] of SUBCOMMANDS) defineOne(command.command(name).summary(summary))
}
