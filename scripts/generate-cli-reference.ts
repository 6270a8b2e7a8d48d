// Writes docs/reference/cli.md and docs/reference/messages.md from the program itself. A test says when they are out of date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { ADOPTION_RULES } from '../src/adoption/rules.ts'
import { CHECKS } from '../src/analysis/checks/registry.ts'
import { commandNames, program } from '../src/cli/main.ts'
import { CA_RULES } from '../src/identity/ca-messages.ts'
import { INJECTION_RULES } from '../src/injection/report.ts'
import { RESOURCE_RULES } from '../src/resources/rules.ts'
import { STATE_RULES } from '../src/server/state-messages.ts'
import { SOURCE_RULES } from '../src/sources/rules.ts'
import { ENVOY_FILTER_RULES } from '../src/translate/envoy-filter/messages.ts'
import { PROXY_RULES } from '../src/xds/nack-message.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Columns of the help as it stands in the reference. */
const WIDTH = 100

/** The pages by their path in the checkout. */
export async function references(): Promise<Readonly<Record<string, string>>> {
  return { 'docs/reference/cli.md': await cliReference(), 'docs/reference/messages.md': messagesReference() }
}

const NOTE = '<!-- Made by scripts/generate-cli-reference.ts from the program: change it there. -->'

async function cliReference(): Promise<string> {
  const weft = await program(new Set(commandNames()))
  const help = weft.createHelp()
  const below = (command: Command) => help.visibleCommands(command).filter((each) => each.name() !== 'help')
  const commands = below(weft)
  const sections = commands.flatMap((command) => {
    const inner = below(command)
    return [
      `## weft ${command.name()}`,
      // One that only has others below it says nothing that they don't.
      ...(inner.length > 0 && command.options.length > 0 ? [asText(command)] : []),
      ...(inner.length > 0
        ? inner.map((each) => `### weft ${command.name()} ${each.name()}\n\n${asText(each)}`)
        : [asText(command)]),
    ]
  })
  return `${[
    '# The `weft` command',
    NOTE,
    [
      'From a checkout, `npx weft` runs it. Without `-o` a command prints for people: colours only on a terminal, and not with `NO_COLOR` set.',
      'Errors go to standard error, one line each, and say what to do; `WEFT_DEBUG=1` adds where in the program they came from.',
      'The exit code is 0 where all went well, and 1 where something did not.',
    ].join('\n'),
    commands
      .map((command) => `- [\`weft ${command.name()}\`](#weft-${command.name()}): ${command.summary()}`)
      .join('\n'),
    ...sections,
  ].join('\n\n')}\n`
}

function asText(command: Command): string {
  return `\`\`\`text\n${helpText(command)}\n\`\`\``
}

/** All of a command's `--help`, examples included. */
function helpText(command: Command): string {
  let text = ''
  command.configureHelp({ helpWidth: WIDTH })
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return text.trim()
}

function messagesReference(): string {
  const checks = CHECKS.toSorted((a, b) => (a.rule < b.rule ? -1 : 1))
  return `${[
    '# Messages',
    NOTE,
    [
      'Every message names a rule, and the object, field, file, line and column that it is about, what is wrong and what would be right.',
      '`weft analyze` shows all of them, for files or for the mesh that runs; `weft up` tells them as they come.',
      '',
      '- **error**: traffic is lost, or what was written has no effect.',
      '- **warning**: probably not what was meant.',
      '- **info**: worth knowing.',
    ].join('\n'),
    '## Configuration',
    'What `weft analyze` checks of objects that are valid by themselves.',
    [
      '| rule | severity | what it finds |',
      '| --- | --- | --- |',
      ...checks.map(({ rule, severity, about }) => row(rule, severity, about)),
    ].join('\n'),
    '## Reading',
    'What is said of files and objects while they are read. An object with an error is left out, or stays as it last was; the others count.',
    rules(RESOURCE_RULES),
    '## Files, and running them on a laptop',
    rules(SOURCE_RULES),
    '## Injection',
    'What is said of pods that get proxies, by the admission webhook and by `weft inject`.',
    rules(INJECTION_RULES),
    '## Proxies',
    rules({ ...PROXY_RULES, ...ENVOY_FILTER_RULES }),
    '## The certificate authority',
    rules(CA_RULES),
    '## State of servers',
    rules(STATE_RULES),
    '## Adoption',
    'What `weft adopt` says of answers and of applications.',
    rules(ADOPTION_RULES),
  ].join('\n\n')}\n`
}

function rules(all: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))
  return ['| rule | what it means |', '| --- | --- |', ...sorted.map(([rule, about]) => row(rule, about))].join('\n')
}

function row(rule: string, ...cells: readonly string[]): string {
  return `| \`${rule}\` | ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(await references())) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    console.log(path)
  }
}
