// An agent as a process of its own, to be killed. Its options are the one argument, in JSON.
import process from 'node:process'
import { Agent, type AgentPod } from '../../src/agent/agent.ts'

export interface AgentProcessOptions {
  readonly address: string
  readonly trustBundleFile: string
  readonly joinToken: string
  readonly pods: readonly AgentPod[]
}

const { address, trustBundleFile, joinToken, pods } = JSON.parse(process.argv[2] ?? '') as AgentProcessOptions
const agent = new Agent({
  node: 'laptop',
  server: { address, trustDomain: 'cluster.local', trustBundleFile },
  joinToken,
})
await agent.setPods(pods)
await agent.joined()
console.log('joined')
process.stdin.resume().on('end', () => process.exit()) // lives no longer than who started it
