// `npm run check`: everything that a tool can say about the sources without running them. Every check runs, so that one
// go shows all there is to mend.
import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { writeRoomRules } from './rooms.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const tools = fileURLToPath(new URL('../node_modules/.bin', import.meta.url))

/** Biome colours what it writes into a pipe, too. */
const colors = `--colors=${process.stdout.isTTY ? 'force' : 'off'}`

const checks = [
  { name: 'types', says: 'what TypeScript makes of it', command: ['tsc'] },
  { name: 'console', says: 'the same of what runs in a browser', command: ['tsc', '--project', 'ui'] },
  { name: 'style', says: 'lint and format', command: ['biome', 'ci', colors, '--error-on-warnings', '.'] },
  {
    name: 'rooms',
    says: 'who imports whom',
    command: ['biome', 'lint', colors, '--error-on-warnings', '--config-path=biome.rooms.json', '.'],
  },
  { name: 'unused', says: 'files, exports and dependencies that nobody uses', command: ['knip', '--no-progress'] },
]

/** Runs a tool of the project; its output is kept, to be shown where it fails. */
function run([tool = '', ...args]: string[]): Promise<{ passed: boolean; output: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: `${tools}${delimiter}${process.env['PATH'] ?? ''}` }
    const child = spawn(tool, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.on('error', (error) => resolve({ passed: false, output: `${tool}: ${error.message}; was "npm ci" run?` }))
    child.on('close', (code) => resolve({ passed: code === 0, output }))
  })
}

writeRoomRules(fileURLToPath(new URL('../biome.rooms.json', import.meta.url)))

let failed = 0
for (const { name, says, command } of checks) {
  process.stdout.write(`${name.padEnd(7)} ${says} ... `)
  const start = performance.now()
  const { passed, output } = await run(command)
  console.log(`${passed ? 'ok' : 'FAILED'} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  if (passed) continue
  failed++
  console.log(`\n${output.trim()}\n\nAgain: npx ${command.join(' ')}\n`)
}
console.log(failed === 0 ? 'All checks passed.' : `${failed} of ${checks.length} checks failed.`)
process.exitCode = failed === 0 ? 0 : 1
