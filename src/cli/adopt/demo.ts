import type { Command } from 'commander'
import { addClusterOptions } from '../cluster-options.ts'
import { withExamples } from '../examples.ts'
import { lengthOfTime } from '../length-of-time.ts'
import type { DemoOptions } from './demo/run.ts'

/** `weft adopt demo` */
export function defineDemo(command: Command): void {
  command
    .description(
      'Takes Bookinfo and an estate of 22 small services on this machine from no mesh to mutual TLS everywhere, unattended, under constant load, in a few minutes: time goes faster here. There are a client that nobody knows of, one that calls ' +
        'once an hour, an application that is slow once in a while and one that breaks beside a proxy; each is found in time. Ends with a report: failed requests, steps, and the evidence of every gate.',
    )
    .option('--name <mesh>', 'name of the mesh that it is done on', 'adopt-demo')
    .option('--report <folder>', 'where the report goes: demo.html, demo.md, demo.json', 'adoption-demo')
    .option('--small', 'leave out Bookinfo and the shop: half of it, with all that is wrong with the whole', false)
    .option('--git', 'write to a git repository alone, which a small loop applies', false)
    .option(
      '--cluster',
      'do it on the cluster of the kubeconfig, which has Weft: Bookinfo and six services without proxies, in namespaces of their own that are taken away at the end',
      false,
    )
    .option('--timeout <duration>', 'give up after so long', lengthOfTime, lengthOfTime('20m'))
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import('./demo/run.ts')
      await runDemo(options)
    })
  addClusterOptions(command)
  withExamples(command, [
    ['watch it', 'weft adopt demo'],
    ['as a team that has everything in git', 'weft adopt demo --git'],
    ['on a cluster', 'weft adopt demo --cluster'],
  ])
}
