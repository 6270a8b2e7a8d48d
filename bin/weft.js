#!/usr/bin/env node
// Plain JavaScript that an old Node can read: it hands over to the Node 24 that npm brought along.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const major = Number(process.versions.node.split('.')[0])
const bundled = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))

if (major >= 24) {
  // What was compiled is kept for the next start, where there is a place for it.
  module.enableCompileCache()
  const { main } = await import('../src/cli/main.ts')
  await main(process.argv.slice(2))
} else if (existsSync(bundled)) {
  const child = spawn(bundled, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A Ctrl-C reaches the child by itself; what is sent to this process alone is passed on.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal) process.kill(process.pid, signal)
    else process.exit(code ?? 1)
  })
} else {
  console.error(`weft needs Node 24 or newer and got ${process.version}; run "npm ci" in its folder, or install one`)
  process.exitCode = 1
}
